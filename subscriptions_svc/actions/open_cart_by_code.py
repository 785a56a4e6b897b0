"""OpenCartByCode: records that a shopper looks at the cart behind a link."""

from datetime import datetime

from sqlalchemy import Connection

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.shopper_carts import build_shopper_cart
from subscriptions_svc.rules.statuses import UNOPENED, Status
from subscriptions_svc.store.subscriptions import find_subscription_by_code
from subscriptions_svc.store.transitions import move_forward
from subscriptions_svc.store.views import read_view


def open_cart_by_code(tx: Connection, code: str, now: datetime) -> pb.ShopperCart:
    """Move an unopened subscription to in_progress and return its cart; raises NotFound."""
    view = read_view(tx, find_subscription_by_code(tx, code), now)
    if view.status in UNOPENED:
        move_forward(tx, view.row.id, Status.IN_PROGRESS)
    return build_shopper_cart(view, code)

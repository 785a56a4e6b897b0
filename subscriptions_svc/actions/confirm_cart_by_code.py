"""ConfirmCartByCode: confirms the cart behind a link for its shopper."""

from datetime import datetime

from sqlalchemy import Connection

from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.confirm_subscription import confirm_waiting_cart
from subscriptions_svc.actions.paying.request_payment import request_first_payment
from subscriptions_svc.documents.shopper_carts import build_shopper_cart, find_state
from subscriptions_svc.rules.statuses import Status
from subscriptions_svc.store.subscriptions import find_subscription_by_code
from subscriptions_svc.store.views import read_view


def confirm_cart_by_code(
    tx: Connection, code: str, public_url: str, now: datetime, *, terms_accepted: bool
) -> pb.ShopperCart:
    """Confirm the cart that has the code; raises NotFound, Invalid without the terms, WrongState.

    A cart that is confirmed already, or has ended, is returned unchanged.
    """
    view = read_view(tx, find_subscription_by_code(tx, code, lock=True), now)
    if not terms_accepted:
        refuse([("terms_accepted", "Must be true.")])
    if find_state(view, code) in ("open", "change"):
        confirm_waiting_cart(tx, view.row, now, code=code)
        view = read_view(tx, find_subscription_by_code(tx, code), now)
        if view.status is Status.WAITING_FOR_PAYMENT:
            request_first_payment(tx, view.row, public_url, now)
    return build_shopper_cart(view, code)

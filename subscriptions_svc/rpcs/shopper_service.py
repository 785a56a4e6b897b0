"""ShopperService: what the shopper's page calls, with nothing but the code of a cart link."""

from collections.abc import Callable
from datetime import datetime

import grpc
from sqlalchemy import Connection

from chassis.store.database import Database
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc.actions.confirm_cart_by_code import confirm_cart_by_code
from subscriptions_svc.documents.shopper_carts import build_shopper_cart
from subscriptions_svc.rules.statuses import UNOPENED, Status
from subscriptions_svc.store.subscriptions import find_subscription_by_code
from subscriptions_svc.store.transitions import move_forward
from subscriptions_svc.store.views import View, read_snapshot, read_view


class ShopperService(rpc.ShopperServiceServicer):
    """The RPCs of shoppers, who have no account."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self.database = database
        self.now = now

    def GetCartByCode(
        self, request: pb.GetCartByCodeRequest, context: grpc.ServicerContext
    ) -> pb.ShopperCart:
        now = self.now()

        def read(tx: Connection) -> View:
            return read_view(tx, find_subscription_by_code(tx, request.code), now)

        view = read_snapshot(self.database, read)
        if view.status in UNOPENED and not request.peek:
            with self.database.write() as tx:
                move_forward(tx, view.row.id, Status.IN_PROGRESS)
        return build_shopper_cart(view, request.code)

    def ConfirmCartByCode(
        self, request: pb.ConfirmCartByCodeRequest, context: grpc.ServicerContext
    ) -> pb.ShopperCart:
        terms_accepted = request.terms_accepted
        with self.database.write() as tx:
            return confirm_cart_by_code(tx, request.code, self.now(), terms_accepted=terms_accepted)

"""ShopperService: what the shopper's page calls, with nothing but the code of a cart link."""

from collections.abc import Callable
from datetime import datetime

import grpc
from sqlalchemy import Connection

from chassis.store.database import Database
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc.actions.confirm_cart_by_code import confirm_cart_by_code
from subscriptions_svc.actions.open_cart_by_code import open_cart_by_code
from subscriptions_svc.actions.reminding.stop_reminders import read_reminders, stop_reminders
from subscriptions_svc.documents.paying.payments import find_first_page_url
from subscriptions_svc.documents.shopper_carts import build_shopper_cart
from subscriptions_svc.store.subscriptions import find_subscription_by_code
from subscriptions_svc.store.views import read_snapshot, read_view


class ShopperService(rpc.ShopperServiceServicer):
    """The RPCs of shoppers, who have no account."""

    def __init__(self, database: Database, now: Callable[[], datetime], public_url: str) -> None:
        self.database = database
        self.now = now
        self.public_url = public_url

    def GetCartByCode(
        self, request: pb.GetCartByCodeRequest, context: grpc.ServicerContext
    ) -> pb.ShopperCart:
        now = self.now()

        def read(tx: Connection) -> pb.ShopperCart:
            view = read_view(tx, find_subscription_by_code(tx, request.code), now)
            return build_shopper_cart(view, request.code, find_first_page_url(tx, view))

        return read_snapshot(self.database, read)

    def GetReminders(
        self, request: pb.GetRemindersRequest, context: grpc.ServicerContext
    ) -> pb.Reminders:
        with self.database.read() as tx:
            return read_reminders(tx, request.code)

    def StopReminders(
        self, request: pb.StopRemindersRequest, context: grpc.ServicerContext
    ) -> pb.Reminders:
        with self.database.write() as tx:
            return stop_reminders(tx, request.code, self.now())

    def OpenCartByCode(
        self, request: pb.OpenCartByCodeRequest, context: grpc.ServicerContext
    ) -> pb.ShopperCart:
        with self.database.write() as tx:
            return open_cart_by_code(tx, request.code, self.now())

    def ConfirmCartByCode(
        self, request: pb.ConfirmCartByCodeRequest, context: grpc.ServicerContext
    ) -> pb.ShopperCart:
        with self.database.write() as tx:
            return confirm_cart_by_code(
                tx,
                request.code,
                self.public_url,
                self.now(),
                terms_accepted=request.terms_accepted,
            )

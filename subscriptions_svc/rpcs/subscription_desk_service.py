"""What the operator's own staff and systems are answered, whoever the merchant."""

from collections.abc import Callable
from datetime import datetime

import grpc

from chassis.context import utc_now
from chassis.messages.reader import MALFORMED
from chassis.store.database import Database
from chassis.validation import Rules, refuse
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc.actions import update_products as changes
from subscriptions_svc.rules import subscriptions as rules
from subscriptions_svc.store import tables as store
from subscriptions_svc.store import transitions as moves
from subscriptions_svc.store.subscriptions import any_merchants, document, ensure_live

RECORD_PAYMENT = Rules(rules.RECORD_PAYMENT, reason=MALFORMED)


class SubscriptionDeskService(rpc.SubscriptionDeskServiceServicer):
    """What staff calls."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now

    def ConfirmSubscription(
        self, request: pb.ConfirmSubscriptionRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        with self.database.write() as tx:
            subscription = any_merchants(tx, request.subscription_id, lock=True)
            now = self.now()
            changes.confirm(tx, subscription, now)
            return store.answers.keep(tx, document(tx, subscription.id, now))

    def RecordPayment(
        self, request: pb.RecordPaymentRequest, context: grpc.ServicerContext
    ) -> pb.Subscription:
        values, faults = RECORD_PAYMENT.examine(request)
        with self.database.write() as tx:
            subscription = any_merchants(tx, request.subscription_id, lock=True)
            now = self.now()
            refuse(faults, reason=MALFORMED)
            ensure_live(subscription, now)
            successful = values["successful"]
            to = rules.PaymentStatus.PAID if successful else rules.PaymentStatus.FAILED
            moves.record_payment(tx, subscription, to, now)
            return store.answers.keep(tx, document(tx, subscription.id, now))

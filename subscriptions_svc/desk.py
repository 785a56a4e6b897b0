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
from subscriptions_svc import changes, moves, rules, store
from subscriptions_svc.found import any_merchants, document, ensure_live

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
            return store.idempotency_keys.save(tx, document(tx, subscription.id, now))

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
            return store.idempotency_keys.save(tx, document(tx, subscription.id, now))

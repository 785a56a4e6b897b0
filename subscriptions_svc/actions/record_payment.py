"""RecordPayment: records the outcome of a subscription's payment."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.confirm_subscription import confirm_solicitation
from subscriptions_svc.documents.events import build_payment_status_changed
from subscriptions_svc.documents.subscriptions import read_subscription
from subscriptions_svc.rules.statuses import PaymentStatus, Status
from subscriptions_svc.store.subscriptions import ensure_live
from subscriptions_svc.store.tables import outbox
from subscriptions_svc.store.transitions import set_payment_status


def record_payment(
    tx: Connection, subscription: Row[Any], now: datetime, *, successful: bool
) -> pb.Subscription:
    """Record a payment; one that a subscription was waiting for also confirms it.

    Raises WrongState. The caller holds the subscription's lock.
    """
    ensure_live(subscription, now)
    status = PaymentStatus.PAID if successful else PaymentStatus.FAILED
    if set_payment_status(tx, subscription.id, status):
        event = build_payment_status_changed(subscription, now, successful=successful)
        outbox.add(tx, event, now)
    if successful and subscription.status == Status.WAITING_FOR_PAYMENT:
        confirm_solicitation(tx, subscription, now)
    return read_subscription(tx, subscription.id, now)

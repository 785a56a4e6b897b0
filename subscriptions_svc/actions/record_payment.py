"""RecordPayment: records the outcome of a subscription's payment."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.confirm_subscription import confirm_solicitation
from subscriptions_svc.documents.events import (
    build_account_in_debt,
    build_account_up_to_date,
    build_payment_status_changed,
)
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
        _report_debt(tx, subscription, now, successful=successful)
    if successful and subscription.status == Status.WAITING_FOR_PAYMENT:
        confirm_solicitation(tx, subscription, now)
    return read_subscription(tx, subscription.id, now)


def _report_debt(
    tx: Connection, subscription: Row[Any], now: datetime, *, successful: bool
) -> None:
    """Report a debt, or its end: before the confirmation nothing is owed yet."""
    if subscription.confirmed_at is None:
        return
    if not successful:
        outbox.add(tx, build_account_in_debt(subscription, now), now)
    elif subscription.payment_status == PaymentStatus.FAILED:
        outbox.add(tx, build_account_up_to_date(subscription, now), now)

"""RecordPayment: records the outcome of a subscription's payment."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.confirm_subscription import confirm_solicitation
from subscriptions_svc.documents.events import (
    build_account_in_debt,
    build_account_up_to_date,
    build_payment_status_changed,
)
from subscriptions_svc.documents.subscriptions import read_subscription
from subscriptions_svc.rules.paying.payments import PaymentState, follow_states
from subscriptions_svc.rules.statuses import PaymentStatus, Status
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.paying.payments import (
    BY_HAND,
    Booking,
    fail,
    list_of_subscription,
    set_status,
    take,
)
from subscriptions_svc.store.subscriptions import ensure_live
from subscriptions_svc.store.tables import outbox


def record_payment(
    tx: Connection, subscription: Row[Any], now: datetime, *, successful: bool
) -> pb.Subscription:
    """Record a payment; one that a subscription was waiting for also confirms it.

    Raises WrongState. The caller holds the subscription's lock.
    """
    ensure_live(subscription, now)
    _record_by_hand(tx, subscription, now, successful=successful)
    status = PaymentStatus.PAID if successful else PaymentStatus.FAILED
    change_payment_status(tx, subscription, status, now)
    return read_subscription(tx, subscription.id, now)


def follow_payments(tx: Connection, subscription: Row[Any], now: datetime) -> None:
    """Change the payment status to what follows from the subscription's payments."""
    states = {each.state for each in list_of_subscription(tx, subscription.id)}
    if status := follow_states(states):
        change_payment_status(tx, subscription, status, now)


def change_payment_status(
    tx: Connection, subscription: Row[Any], status: PaymentStatus, now: datetime
) -> None:
    """Change the payment status, with its events; one that is waited for also confirms."""
    successful = status is PaymentStatus.PAID
    if set_status(tx, subscription.id, status):
        event = build_payment_status_changed(subscription, now, successful=successful)
        outbox.add(tx, event, now)
        _report_debt(tx, subscription, now, successful=successful)
    if successful and subscription.status == Status.WAITING_FOR_PAYMENT:
        confirm_solicitation(tx, subscription, now)


def _record_by_hand(
    tx: Connection, subscription: Row[Any], now: datetime, *, successful: bool
) -> None:
    """Take every payment that is failed or due by today, or fail the oldest of them."""
    today = to_local_day(now, ZoneInfo(subscription.time_zone))
    booking = Booking(BY_HAND, None, today)
    payments = list_of_subscription(tx, subscription.id)
    failed = [each for each in payments if each.state == PaymentState.FAILED]
    due = [each for each in payments if each.state == PaymentState.DUE and each.due_on <= today]
    if successful:
        for payment in (*failed, *due):
            take(tx, payment, payment.amount, booking, now)
    elif due and not failed:
        fail(tx, due[0], booking, now)


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

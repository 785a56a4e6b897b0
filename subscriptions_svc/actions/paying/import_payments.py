"""ImportPayments: records what a provider reports of many payments, as CSV."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.errors import NotFound
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.record_payment import follow_payments
from subscriptions_svc.rules.paying.imports import Line, locate, read_lines
from subscriptions_svc.rules.paying.payments import PaymentState
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.paying.payments import (
    IMPORT,
    Booking,
    fail,
    find_entry,
    list_of_subscription,
    refund,
    take,
)
from subscriptions_svc.store.subscriptions import NOBODY, find_subscription

TAKEN, FAILED = PaymentState.TAKEN, PaymentState.FAILED


def import_payments(tx: Connection, document: bytes, now: datetime) -> pb.ImportPaymentsResponse:
    """Record every line that was not imported before; raises Invalid with the faults of each."""
    lines, faults = read_lines(document)
    found: list[tuple[str, str]] = list(faults)
    imported = 0
    # By subscription, so that two files at once lock them in one order.
    for subscription_id, some in _group(lines).items():
        subscription = _lock(tx, subscription_id)
        before = imported
        for line in some:
            fault = _check(subscription, line, now)
            if fault is None and subscription is not None:
                fault, is_new = _record(tx, subscription, line, now)
                imported += is_new
            if fault is not None:
                found.append((locate(line.number, fault[0]), fault[1]))
        if subscription is not None and imported > before and not found:
            follow_payments(tx, subscription, now)
    found.sort(key=lambda each: _find_number(each[0]))
    refuse(found)
    return pb.ImportPaymentsResponse(imported=imported, skipped=len(lines) - imported)


def _group(lines: Iterable[Line]) -> dict[str, list[Line]]:
    grouped: dict[str, list[Line]] = {}
    for line in lines:
        grouped.setdefault(line.subscription_id, []).append(line)
    return dict(sorted(grouped.items()))


def _find_number(path: str) -> int:
    """Return the number of the line in the path of a fault; 0 for the whole file."""
    parts = path.split(".")
    return int(parts[1]) if len(parts) > 1 else 0


def _lock(tx: Connection, subscription_id: str) -> Row[Any] | None:
    try:
        return find_subscription(tx, subscription_id, NOBODY, lock=True)
    except NotFound:
        return None


def _check(subscription: Row[Any] | None, line: Line, now: datetime) -> tuple[str, str] | None:
    """Return the column at fault, and why; None for a line that may be recorded."""
    if subscription is None or subscription.merchant_id != line.merchant_id:
        return "subscription_id", "Must be a subscription of the merchant."
    today = to_local_day(now, ZoneInfo(subscription.time_zone))
    if line.day is not None and line.day > today:
        return "date", "Must not be in the future."
    return None


def _record(
    tx: Connection, subscription: Row[Any], line: Line, now: datetime
) -> tuple[tuple[str, str] | None, bool]:
    """Return the fault of a line, and whether it was recorded now."""
    payments = {each.month: each for each in list_of_subscription(tx, subscription.id)}
    payment = payments.get(line.month)
    if payment is None:
        return ("month", "Must be a month whose payment was opened."), False
    entry = find_entry(tx, line.merchant_id, IMPORT, line.reference)
    if entry is not None:
        same = (payment.id, line.result, line.amount)
        if (entry.payment_id, entry.kind, entry.amount) == same:
            return None, False
        return ("reference", "Was imported before, for something else."), False
    if line.currency != payment.currency:
        return ("currency", f"Must be {payment.currency}, the payment's."), False
    day = line.day or to_local_day(now, ZoneInfo(subscription.time_zone))
    fault = _apply(tx, payment, line, Booking(IMPORT, line.reference, day), now)
    return fault, fault is None


def _apply(
    tx: Connection, payment: Row[Any], line: Line, booking: Booking, now: datetime
) -> tuple[str, str] | None:
    if line.result == PaymentState.REFUNDED:
        left = payment.taken - payment.refunded - payment.refunding
        if refund(tx, payment, line.amount, booking, now):
            return None
        return "amount", f"Must be at most {left}, which is what is left."
    if line.amount != payment.amount:
        return "amount", f"Must be {payment.amount}, the payment's."
    if line.result == TAKEN and payment.state in (PaymentState.DUE, FAILED):
        take(tx, payment, line.amount, booking, now)
        return None
    if line.result == FAILED and fail(tx, payment, booking, now):
        return None
    return "result", f"The payment is {payment.state} already."

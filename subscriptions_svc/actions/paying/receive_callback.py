"""ReceiveCallback: records what a payment provider reports."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.payments.charges import PAGE
from chassis.payments.providers import FAILED, REFUNDED, TAKEN, Report
from chassis.telemetry import log
from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.record_payment import follow_payments
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.paying.payments import (
    Booking,
    fail,
    lock_payment,
    refund,
    release,
    take,
)
from subscriptions_svc.store.paying.tables import accounts, charges


def receive_callback(
    tx: Connection, merchant_id: str, signature: str, body: bytes, now: datetime
) -> pb.ReceiveCallbackResponse:
    """Record a callback that is signed for a merchant; raises Invalid for any other."""
    account = accounts.find_for_callback(tx, merchant_id, body)
    found = charges.read_callback(tx, account, body, signature, now)
    if found is not None:
        record_outcome(tx, *found, now, None)
    return pb.ReceiveCallbackResponse(received=True)


def record_outcome(
    tx: Connection, charge: Row[Any], report: Report, now: datetime, reason: str | None
) -> None:
    """Record what became of a charge, once; `reason` says why a call for it was given up."""
    payment, subscription = lock_payment(tx, charge.subject)
    before = charges.find(tx, charge.owner, charge.id)  # as it is under the lock
    if before is None or not charges.record(tx, charge, report, now, reason):
        return
    today = to_local_day(now, ZoneInfo(subscription.time_zone))
    booking = Booking(charge.provider, charge.id, today)
    if charge.kind == PAGE:
        if report.outcome == TAKEN:
            take(tx, payment, charge.amount, booking, now)
        elif report.outcome == FAILED and reason is None:  # the shopper's payment, not our call
            fail(tx, payment, booking, now)
    else:
        if before.state != FAILED:  # then it was released
            release(tx, payment, charge.amount)
        if report.outcome == REFUNDED and not refund(tx, payment, charge.amount, booking, now):
            # Refunded by hand after the provider had seemed to fail: people have to settle it.
            log().error("refund beyond what was taken", type=charge.kind)
    follow_payments(tx, subscription, now)

"""RefundPayment: refunds what was taken for a month, or a part of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from chassis.payments.charges import PAGE, REFUND, generate_charge_id
from chassis.payments.providers import FAILED, TAKEN, RefundOrder
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.record_payment import follow_payments
from subscriptions_svc.documents.paying.payments import read_payment
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.paying.payments import (
    BY_HAND,
    Booking,
    lock_payment,
    refund,
    reserve,
)
from subscriptions_svc.store.paying.tables import accounts, charges


def refund_payment(tx: Connection, values: Mapping[str, Any], now: datetime) -> pb.Payment:
    """Refund through the provider that took the money, else by hand.

    Raises NotFound, Invalid, WrongState, AlreadyExists.
    """
    payment, subscription = lock_payment(tx, values["payment_id"])
    left = payment.taken - payment.refunded - payment.refunding
    if left == 0:
        raise WrongState("Nothing is left of this payment that could go back.")
    amount = values.get("amount", left)
    if amount > left:
        refuse([("amount", f"Must be at most {left}, which is what is left.")])
    if not _ask_provider(tx, payment, amount, now):
        today = to_local_day(now, ZoneInfo(subscription.time_zone))
        refund(tx, payment, amount, Booking(BY_HAND, values.get("reference"), today), now)
        follow_payments(tx, subscription, now)
    return read_payment(tx, payment.id)


def _ask_provider(tx: Connection, payment: Row[Any], amount: int, now: datetime) -> bool:
    """Ask the provider that took the money for a refund; False if none took as much."""
    account = accounts.find(tx, payment.merchant_id)
    ref = _find_refundable(tx, payment, amount)
    if account is None or ref is None or not reserve(tx, payment, amount):
        return False
    order = RefundOrder(generate_charge_id(), amount, payment.currency, ref)
    return charges.ask_for_refund(tx, account, payment.id, order, now)


def _find_refundable(tx: Connection, payment: Row[Any], amount: int) -> str | None:
    """Return the provider's name of money that it took, if so much is left of that."""
    left: dict[str, int] = {}
    for charge in charges.list_of_subject(tx, payment.merchant_id, payment.id):
        if charge.kind == PAGE and charge.state == TAKEN and charge.payment_ref:
            left[charge.payment_ref] = left.get(charge.payment_ref, 0) + charge.amount
        elif charge.kind == REFUND and charge.state != FAILED:
            left[charge.payment_ref] = left.get(charge.payment_ref, 0) - charge.amount
    return next((ref for ref, rest in left.items() if rest >= amount), None)

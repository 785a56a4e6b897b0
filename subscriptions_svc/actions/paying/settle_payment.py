"""SettlePayment: records that a monthly payment was taken, or has failed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from chassis.errors import WrongState
from protos import subscriptions_pb2 as pb
from subscriptions_svc.actions.record_payment import follow_payments
from subscriptions_svc.documents.paying.payments import read_payment
from subscriptions_svc.rules.paying.payments import PaymentState
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.paying.payments import BY_HAND, Booking, fail, lock_payment, take


def settle_payment(tx: Connection, values: Mapping[str, Any], now: datetime) -> pb.Payment:
    """Record what became of a payment; raises NotFound, WrongState, AlreadyExists."""
    payment, subscription = lock_payment(tx, values["payment_id"])
    if payment.state == PaymentState.REFUNDED:
        raise WrongState("The payment was refunded.")
    today = to_local_day(now, ZoneInfo(subscription.time_zone))
    booking = Booking(BY_HAND, values.get("reference"), today)
    if payment.state == PaymentState.TAKEN:
        if not values["successful"]:
            raise WrongState("The payment was taken; refund it.")
    elif values["successful"]:
        take(tx, payment, payment.amount, booking, now)
    elif payment.state == PaymentState.DUE:
        fail(tx, payment, booking, now)
    follow_payments(tx, subscription, now)
    return read_payment(tx, payment.id)

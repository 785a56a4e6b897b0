"""MovePayment: moves the day on which a monthly payment is due."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from chassis.errors import WrongState
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.events import build_instalment_date_changed
from subscriptions_svc.documents.paying.payments import read_payment
from subscriptions_svc.rules.shapes import parse_day
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.paying.payments import lock_payment, move
from subscriptions_svc.store.tables import outbox


def move_payment(tx: Connection, values: Mapping[str, Any], now: datetime) -> pb.Payment:
    """Move an outstanding payment; raises NotFound, Invalid, WrongState."""
    payment, subscription = lock_payment(tx, values["payment_id"])
    due_on = parse_day(values["due_on"])
    if due_on is None or due_on < to_local_day(now, ZoneInfo(subscription.time_zone)):
        refuse([("due_on", "Must be today or a later day.")])
    elif not move(tx, payment, due_on):
        raise WrongState("The payment was taken or refunded.")
    elif due_on != payment.due_on:
        outbox.add(tx, build_instalment_date_changed(subscription, payment.month, due_on, now), now)
    return read_payment(tx, payment.id)

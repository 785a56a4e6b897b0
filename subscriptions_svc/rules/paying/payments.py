"""Monthly payments: their states, the months that are opened, and what staff may ask of them."""

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from marshmallow import Schema, ValidationError
from marshmallow.fields import Boolean, Integer, String
from marshmallow.validate import OneOf

from optics.fields import between
from subscriptions_svc.rules.shapes import (
    COUNT_RANGE,
    FILLED_TEXT,
    MAX_MONEY,
    PERSON_REF,
    SHORT_TEXT,
    check_day,
    parse_day,
)
from subscriptions_svc.rules.statuses import PaymentStatus
from subscriptions_svc.rules.years import count_months

MAX_PAGE = 100
FORMATS = ("csv", "pdf")  # of a statement


class PaymentState(StrEnum):
    """State of a month's payment."""

    DUE = "due"
    TAKEN = "taken"
    FAILED = "failed"
    REFUNDED = "refunded"


OUTSTANDING = (PaymentState.DUE, PaymentState.FAILED)


def parse_month(text: str) -> date | None:
    """Return the first day of a month given as YYYY-MM."""
    return parse_day(f"{text}-01")


def check_month(text: str) -> None:
    """Raise ValidationError unless the text is a month."""
    if parse_month(text) is None:
        raise ValidationError("Must be a month as YYYY-MM.")


class ListPaymentsSchema(Schema):
    """Which payments to list."""

    subscription_id = String(load_default="", validate=SHORT_TEXT)
    merchant_id = String(load_default="", validate=SHORT_TEXT)
    state = String(load_default="", validate=OneOf(("", *PaymentState)))
    person_ref = String(validate=PERSON_REF)
    page = Integer(strict=True, load_default=1, validate=COUNT_RANGE)
    per_page = Integer(strict=True, load_default=30, validate=between(1, MAX_PAGE))


class SettlePaymentSchema(Schema):
    """What became of a payment."""

    payment_id = String(load_default="")
    successful = Boolean(required=True)
    reference = String(validate=FILLED_TEXT)


class RefundPaymentSchema(Schema):
    """What goes back."""

    payment_id = String(load_default="")
    amount = Integer(strict=True, validate=between(1, MAX_MONEY))
    reference = String(validate=FILLED_TEXT)


class MovePaymentSchema(Schema):
    """When a payment is due instead."""

    payment_id = String(load_default="")
    due_on = String(required=True, validate=check_day)


class ExportStatementSchema(Schema):
    """Whose statement, of which month."""

    merchant_id = String(required=True, validate=FILLED_TEXT)
    month = String(required=True, validate=check_month)
    format = String(load_default="csv", validate=OneOf(FORMATS))


LIST_PAYMENTS = ListPaymentsSchema()
SETTLE_PAYMENT = SettlePaymentSchema()
REFUND_PAYMENT = RefundPaymentSchema()
MOVE_PAYMENT = MovePaymentSchema()
EXPORT_STATEMENT = ExportStatementSchema()


def follow_states(states: Collection[str]) -> PaymentStatus | None:
    """Return the payment status that follows from the states of payments; None for no decision."""
    if PaymentState.FAILED in states:
        return PaymentStatus.FAILED
    return PaymentStatus.PAID if PaymentState.TAKEN in states else None


def list_months(
    last: int | None, activated_at: datetime | None, now: datetime, tz: ZoneInfo
) -> range:
    """Return the months whose payments are to be opened; `last` is the newest that has one.

    Before the activation it is the first. Without any the current month begins: earlier ones were
    recorded elsewhere.
    """
    current = 1 if activated_at is None else count_months(activated_at, now, tz) + 1
    return range(current if last is None else last + 1, current + 1)

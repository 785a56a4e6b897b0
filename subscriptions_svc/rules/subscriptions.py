"""What a subscription's requests must look like, what they must mean, and what a state is.

Shape is a schema: its faults answer `malformed`. Meaning is the pure functions that return faults
as (path, message): they answer `invalid`, and pass over whatever the schema has already refused.
Days stay "YYYY-MM-DD" and money stays minor units in what is loaded. Carts have rules of their own
in `rules_cart`, what changes a subscription in `rules_changes`, its end in `rules_ending`.
"""

import re
from collections.abc import Collection
from datetime import date, datetime, timedelta
from enum import StrEnum

from dateutil.relativedelta import relativedelta
from marshmallow import Schema, ValidationError
from marshmallow.fields import Boolean, Integer, List, Nested, String
from marshmallow.validate import ContainsOnly, Email, Length, Range
from stdnum.es import dni, nie

from subscriptions_svc.rules.carts import CartItemSchema
from subscriptions_svc.rules.shapes import (
    ANY_OF,
    AT_MOST,
    COUNT,
    FILLED,
    RANGE,
    SHORT,
    SOME,
    CommaSeparated,
    Faults,
    Values,
    day_text,
    json_array,
    parsed_day,
    period_text,
)


class Status(StrEnum):
    """Where a subscription stands, in the order of its life."""

    DRAFT = "draft"
    SENT = "sent"
    IN_PROGRESS = "in_progress"
    WAITING_FOR_PAYMENT = "waiting_for_payment"
    ACTIVATING = "activating"
    ACTIVE = "active"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class PaymentStatus(StrEnum):
    """How its payment stands."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"


UNCONFIRMED = (Status.DRAFT, Status.SENT, Status.IN_PROGRESS, Status.WAITING_FOR_PAYMENT)
CONFIRMED = (Status.ACTIVATING, Status.ACTIVE)
LIVE = UNCONFIRMED + CONFIRMED

WITHDRAWAL = timedelta(hours=24)
ACTIVATION = timedelta(days=30)  # after the confirmation, when not all was handed over before
DISCOUNTS_MAX = 20_000

_NIN_CONTROL = re.compile(r"[0-9]{7}[MF]")
_SEPARATORS = re.compile(r"[\s.-]")
_EMAIL = Email()


def status_at(status: str, renewal_at: datetime | None, now: datetime) -> Status:
    """The status that counts at `now`: an active one whose months are over is finished."""
    if status == Status.ACTIVE and renewal_at is not None and renewal_at <= now:
        return Status.FINISHED
    return Status(status)


class MerchantSchema(Schema):
    """A merchant and one of its stores."""

    id = String(required=True, validate=FILLED)
    store_ref = String(required=True, validate=FILLED)


class CreateSubscriptionSchema(Schema):
    """A solicitation."""

    merchant = Nested(MerchantSchema, required=True)
    reference = String(required=True, validate=FILLED)
    operator_ref = String(validate=SHORT)
    given_names = String(validate=SHORT)
    surnames = String(validate=SHORT)
    mobile_phone = String(validate=SHORT)
    email = String(validate=SHORT)
    date_of_birth = String(validate=SHORT)
    nin = String(validate=SHORT)
    nin_control = String(validate=SHORT)
    address = String(validate=SHORT)
    postal_code = String(validate=SHORT)
    city = String(validate=SHORT)
    discounts = String(validate=(Length(max=DISCOUNTS_MAX, error=AT_MOST), json_array))
    cart_items = List(Nested(CartItemSchema), required=True, validate=SOME)


class ListSubscriptionsSchema(Schema):
    """The filters of a list, and its page."""

    status = CommaSeparated(validate=ContainsOnly(list(Status), error=ANY_OF))
    payment_status = CommaSeparated(validate=ContainsOnly(list(PaymentStatus), error=ANY_OF))
    search = String(validate=SHORT)
    created_at = String(validate=period_text)
    created_at_from = String(validate=day_text)
    created_at_to = String(validate=day_text)
    activated_at = String(validate=period_text)
    activated_at_from = String(validate=day_text)
    activated_at_to = String(validate=day_text)
    merchant_id = CommaSeparated()
    store_ref = CommaSeparated()
    page = Integer(strict=True, load_default=1, validate=COUNT)
    per_page = Integer(strict=True, load_default=30, validate=Range(1, 100, error=RANGE))


class DeliverySchema(Schema):
    """Boxes of one item."""

    cart_item_reference_uuid = String(required=True, validate=FILLED)
    quantity = Integer(strict=True, required=True, validate=COUNT)


class CreateBoxDeliveriesSchema(Schema):
    """Boxes handed over."""

    subscription_id = String(required=True)
    deliveries = List(Nested(DeliverySchema), required=True, validate=SOME)


class ListDeliveriesSchema(Schema):
    """Which page of a ledger."""

    subscription_id = String(required=True)
    page = Integer(strict=True, load_default=1, validate=COUNT)
    per_page = Integer(strict=True, load_default=30, validate=Range(1, 100, error=RANGE))


class RecordPaymentSchema(Schema):
    """How a payment went."""

    subscription_id = String(required=True)
    successful = Boolean(required=True)


class PreApprovalMerchantSchema(Schema):
    """A merchant and one of its stores."""

    reference = String(required=True, validate=FILLED)
    store_ref = String(required=True, validate=FILLED)


class ShopperSchema(Schema):
    """Who would subscribe."""

    given_names = String(validate=SHORT)
    surnames = String(validate=SHORT)
    nin = String(required=True, validate=FILLED)
    email = String(validate=SHORT)
    mobile_phone = String(validate=SHORT)
    date_of_birth = String(required=True, validate=FILLED)


class CreatePreApprovalSchema(Schema):
    """Who asks for whom."""

    merchant = Nested(PreApprovalMerchantSchema, required=True)
    shopper = Nested(ShopperSchema, required=True)


class CreatePriceSimulationSchema(Schema):
    """A cart that nobody has ordered."""

    merchant_id = String(validate=FILLED)
    cart_items = List(Nested(CartItemSchema), required=True, validate=SOME)


CREATE_SUBSCRIPTION = CreateSubscriptionSchema()
LIST_SUBSCRIPTIONS = ListSubscriptionsSchema()
CREATE_BOX_DELIVERIES = CreateBoxDeliveriesSchema()
LIST_DELIVERIES = ListDeliveriesSchema()
RECORD_PAYMENT = RecordPaymentSchema()
CREATE_PRE_APPROVAL = CreatePreApprovalSchema()
CREATE_PRICE_SIMULATION = CreatePriceSimulationSchema()


def store_faults(values: Values, store_refs: Collection[str]) -> Faults:
    """A store that is none of the merchant's."""
    store_ref = values.get("merchant", {}).get("store_ref")
    if store_ref is not None and store_ref not in store_refs:
        yield "merchant.store_ref", "Must be a store of this merchant."


def shopper_faults(values: Values, today: date) -> Faults:
    """An e-mail address without its form, and a birth on no real day or after `today`."""
    if "email" in values:
        try:
            _EMAIL(values["email"])
        except ValidationError:
            yield "email", "Must be an e-mail address, such as name@example.com."
    if "date_of_birth" in values:
        born = parsed_day(values["date_of_birth"])
        if born is None:
            yield "date_of_birth", "Must be a real day as YYYY-MM-DD."
        elif born > today:
            yield "date_of_birth", "Must not be in the future."


def bare_nin(nin: str) -> str:
    """An identity number however it is written: upper case, without spaces, dots and hyphens."""
    return _SEPARATORS.sub("", nin).upper()


def is_adult(born: date, today: date) -> bool:
    """Whether somebody is 18 today; who was born on 29 February, on the 28th in common years."""
    return born + relativedelta(years=18) <= today


def check_digit(digits: str) -> int:
    """The check digit of ICAO 9303: weights 7, 3, 1 in turn, modulo 10."""
    return sum(int(digit) * (7, 3, 1)[place % 3] for place, digit in enumerate(digits)) % 10


def identity_faults(values: Values, country: str) -> Faults:
    """What is wrong with nin and nin_control where the merchant is Spanish; elsewhere nothing."""
    nin, control = values.get("nin"), values.get("nin_control")
    if country != "ES":
        return
    if nin is not None and not (nin.isascii() and (dni.is_valid(nin) or nie.is_valid(nin))):
        yield "nin", "Must be a valid DNI or NIE."
    if control is None:
        return
    born = parsed_day(values.get("date_of_birth", ""))
    is_day = any(parsed_day(f"{c}{control[:2]}-{control[2:4]}-{control[4:6]}") for c in (19, 20))
    if not is_day or not _NIN_CONTROL.fullmatch(control):
        yield "nin_control", "Must be the day of birth as YYMMDD, its check digit, and M or F."
    elif check_digit(control[:6]) != int(control[6]):
        yield "nin_control", "Must have the ICAO 9303 check digit of YYMMDD in seventh place."
    elif born is not None and control[:6] != f"{born:%y%m%d}":
        yield "nin_control", "Must begin with date_of_birth as YYMMDD."

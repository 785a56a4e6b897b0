"""What a subscription's requests must look like, what they must mean, and what a state allows.

Shape is a schema: its faults answer `malformed`. Meaning is the pure functions that return faults
as (path, message): they answer `invalid`, and pass over whatever the schema has already refused.
Days stay "YYYY-MM-DD" and money stays minor units in what is loaded.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from marshmallow import Schema, ValidationError, post_load, pre_load, validates_schema
from marshmallow.fields import Field, Integer, List, Nested, Raw, String
from marshmallow.validate import ContainsOnly, Email, Length, OneOf, Range
from stdnum.es import dni, nie

Values: TypeAlias = Mapping[str, Any]
Faults: TypeAlias = Iterator[tuple[str, str]]  # path, message


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


MATERIAL = "material_subscription"
PACKAGE = "subscription_package"
CONTACT_LENS = "contact_lens_subscription"
TYPES = (MATERIAL, PACKAGE, CONTACT_LENS)
BOTH = "both"
EYES = ("left", "right", BOTH)

UNCONFIRMED = (Status.DRAFT, Status.SENT, Status.IN_PROGRESS, Status.WAITING_FOR_PAYMENT)
CONFIRMED = (Status.ACTIVATING, Status.ACTIVE)
LIVE = UNCONFIRMED + CONFIRMED

TOTAL_MONTHS = 24
EXCHANGE_CYCLE = 12
WITHDRAWAL = timedelta(hours=24)

# With these, a total fits the database and a whole cart's total is exact as a JSON number.
MONEY_MAX = 10**12
COUNT_MAX = 10**6
ITEMS_MAX = 100
TEXT_MAX = 255
DISCOUNTS_MAX = 20_000
MONTHS_MAX = 1_200
VAT_RATE_MAX = 10_000

# Fields that belong to one type, and whether they are required there.
OF_TYPE = {
    "items": (PACKAGE, True),
    "box_count": (CONTACT_LENS, True),
    "exchange_cycle": (CONTACT_LENS, False),
    "product_data": (CONTACT_LENS, True),
}

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NIN_CONTROL = re.compile(r"[0-9]{7}[MF]")
_EMAIL = Email()


def parsed_day(text: str) -> date | None:
    """A real day written YYYY-MM-DD, and in no other form of ISO 8601; None for all else."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _not_blank(text: str) -> None:
    if not text.strip():
        raise ValidationError("Must not be blank.")


def _day(text: str) -> None:
    if parsed_day(text) is None:
        raise ValidationError("Must be a day as YYYY-MM-DD.")


def _period(text: str) -> None:
    if text not in ("current_month", "current_year") and parsed_day(text) is None:
        raise ValidationError("Must be a day as YYYY-MM-DD, current_month or current_year.")


# Numbers stay text, for int refuses more than 4,300 digits; it refuses NaN and Infinity too.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=int)


def _json_array(text: str) -> None:
    try:
        is_array = isinstance(_JSON.decode(text), list)
    except (ValueError, RecursionError):
        is_array = False
    if not is_array:
        raise ValidationError("Must be a JSON array.")


_AT_MOST = "Must be at most {max} characters."
_SHORT = Length(max=TEXT_MAX, error=_AT_MOST)
_FILLED = (_not_blank, _SHORT)
_ONE_OF = "Must be one of: {choices}."
_INSIDE = _ONE_OF + " A package holds no package."
_ANY_OF = "Must be one or more, joined by commas, of: {choices}."
_SOME = Length(1, ITEMS_MAX, error="Must have {min} to {max} entries.")
_RANGE = "Must be from {min} to {max}."
_COUNT = Range(1, COUNT_MAX, error=_RANGE)


class CommaSeparated(Field[list[str]]):
    """Alternatives in one text, such as `draft,sent`; loads as a list."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[str]:
        words = [word.strip() for word in str(value).split(",")]
        if not all(words) or len(words) > ITEMS_MAX:
            raise ValidationError(f"Must be 1 to {ITEMS_MAX} values joined by commas, none empty.")
        return words


class MerchantSchema(Schema):
    """A merchant and one of its stores."""

    id = String(required=True, validate=_FILLED)
    store_ref = String(required=True, validate=_FILLED)


class ProductDataSchema(Schema):
    """What a contact lens is for."""

    eye = String(required=True, validate=OneOf(EYES, error=_ONE_OF))


def _misplaced(item: Values) -> list[str]:
    kind = item.get("type")
    foreign = [name for name, (owner, _) in OF_TYPE.items() if owner != kind and kind in TYPES]
    return [name for name in foreign if name in item]


class ItemSchema(Schema):
    """An item inside a package."""

    type = String(required=True, validate=OneOf((MATERIAL, CONTACT_LENS), error=_INSIDE))
    reference = String(validate=_FILLED)
    name = String(required=True, validate=_FILLED)
    quantity = Integer(strict=True, required=True, validate=_COUNT)
    price_with_tax = Integer(strict=True, required=True)
    subscription_price = Integer(strict=True)
    subscription_vat_rate = Integer(strict=True)
    items: Field[Any] = Raw()
    box_count = Integer(strict=True, validate=_COUNT)
    exchange_cycle = Integer(strict=True, validate=Range(0, MONTHS_MAX, error=_RANGE))
    product_data = Nested(ProductDataSchema)

    # What belongs to another type is refused as a whole, without the faults inside it.
    @pre_load
    def _set_misplaced_aside(self, item: Values, **_: Any) -> dict[str, Any]:
        return {name: item[name] for name in set(item).difference(_misplaced(item))}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _fields_of_type(self, data: Values, sent: Values, **_: Any) -> None:
        kind = data.get("type")
        faults = {name: [f"Only with type {OF_TYPE[name][0]}."] for name in _misplaced(sent)}
        needed = [name for name, of_type in OF_TYPE.items() if of_type == (kind, True)]
        if kind in (MATERIAL, CONTACT_LENS):
            needed.append("reference")
        faults |= {name: [f"Required with type {kind}."] for name in needed if name not in sent}
        if faults:
            raise ValidationError(faults)

    @post_load
    def _default_cycle(self, item: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"exchange_cycle": EXCHANGE_CYCLE} | item if item["type"] == CONTACT_LENS else item


class CartItemSchema(ItemSchema):
    """An item of the cart itself."""

    type = String(required=True, validate=OneOf(TYPES, error=_ONE_OF))
    items = List(Nested(ItemSchema), validate=_SOME)


class CreateSubscriptionSchema(Schema):
    """A solicitation."""

    merchant = Nested(MerchantSchema, required=True)
    reference = String(required=True, validate=_FILLED)
    operator_ref = String(validate=_SHORT)
    given_names = String(validate=_SHORT)
    surnames = String(validate=_SHORT)
    mobile_phone = String(validate=_SHORT)
    email = String(validate=_SHORT)
    date_of_birth = String(validate=_SHORT)
    nin = String(validate=_SHORT)
    nin_control = String(validate=_SHORT)
    address = String(validate=_SHORT)
    postal_code = String(validate=_SHORT)
    city = String(validate=_SHORT)
    discounts = String(validate=(Length(max=DISCOUNTS_MAX, error=_AT_MOST), _json_array))
    cart_items = List(Nested(CartItemSchema), required=True, validate=_SOME)


class ListSubscriptionsSchema(Schema):
    """The filters of a list, and its page."""

    status = CommaSeparated(validate=ContainsOnly(list(Status), error=_ANY_OF))
    payment_status = CommaSeparated(validate=ContainsOnly(list(PaymentStatus), error=_ANY_OF))
    search = String(validate=_SHORT)
    created_at = String(validate=_period)
    created_at_from = String(validate=_day)
    created_at_to = String(validate=_day)
    activated_at = String(validate=_period)
    activated_at_from = String(validate=_day)
    activated_at_to = String(validate=_day)
    merchant_id = CommaSeparated()
    store_ref = CommaSeparated()
    page = Integer(strict=True, load_default=1, validate=_COUNT)
    per_page = Integer(strict=True, load_default=30, validate=Range(1, 100, error=_RANGE))


class DeliverySchema(Schema):
    """Boxes of one item."""

    cart_item_reference_uuid = String(required=True, validate=_FILLED)
    quantity = Integer(strict=True, required=True, validate=_COUNT)


class CreateBoxDeliveriesSchema(Schema):
    """Boxes handed over."""

    subscription_id = String(required=True)
    deliveries = List(Nested(DeliverySchema), required=True, validate=_SOME)


CREATE_SUBSCRIPTION = CreateSubscriptionSchema()
LIST_SUBSCRIPTIONS = ListSubscriptionsSchema()
CREATE_BOX_DELIVERIES = CreateBoxDeliveriesSchema()


def _numbered(values: Values, name: str, prefix: str = "") -> Iterator[tuple[str, Values]]:
    return ((f"{prefix}{name}.{i}", item) for i, item in enumerate(values.get(name, ())))


def price_faults(values: Values) -> Faults:
    """Amounts and rates out of bounds, and packages whose price is not the sum over their items."""
    for path, item in _numbered(values, "cart_items"):
        inside = list(_numbered(item, "items", f"{path}."))
        whole = [(path, item), *inside]
        for each_path, each in whole:
            for name in ("price_with_tax", "subscription_price"):
                if not 0 <= each.get(name, 0) * each.get("quantity", 1) <= MONEY_MAX:
                    message = f"Must be 0 or more, and times quantity at most {MONEY_MAX}."
                    yield f"{each_path}.{name}", message
            if not 0 <= each.get("subscription_vat_rate", 0) <= VAT_RATE_MAX:
                yield f"{each_path}.subscription_vat_rate", f"Must be from 0 to {VAT_RATE_MAX}."
        if inside and all({"price_with_tax", "quantity"} <= each.keys() for _, each in whole):
            total = sum(each["price_with_tax"] * each["quantity"] for _, each in inside)
            if item["price_with_tax"] != total:
                yield f"{path}.price_with_tax", "Must be its items' price times quantity, summed."


def eye_faults(values: Values) -> Faults:
    """Contact lenses outside a package or more than one piece, and eyes that are covered twice."""
    for path, item in _numbered(values, "cart_items"):
        if item.get("type") == CONTACT_LENS:
            yield f"{path}.type", "A contact lens must be an item of a package."
        eyes: list[str | None] = []
        inside = list(_numbered(item, "items", f"{path}."))
        alone = {each.get("product_data", {}).get("eye", BOTH) for _, each in inside} <= {BOTH}
        for each_path, each in [(path, item), *inside]:
            if each.get("type") == CONTACT_LENS and each.get("quantity", 1) != 1:
                yield f"{each_path}.quantity", "Must be 1 for a contact lens."
            eye = each.get("product_data", {}).get("eye")
            if eye and eye in eyes:
                yield f"{each_path}.product_data.eye", "Each eye may have one contact lens."
            elif eye == BOTH and not alone:
                yield f"{each_path}.product_data.eye", "Must not be both beside left or right."
            eyes.append(eye)


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


def subscription_price(price_with_tax: int, months: int) -> int:
    """The default price a month, in minor units, half up."""
    return (2 * price_with_tax + months) // (2 * months)


def available_actions(
    status: Status,
    confirmed_at: datetime | None,
    now: datetime,
    *,
    payment_status: PaymentStatus,
    country: str,
    has_email: bool,
    has_phone: bool,
    sms_count: int,
    pending_items: int,
    active_materials: int,
    remaining_boxes: int,
) -> dict[str, bool]:
    """Which actions the state of a subscription of a merchant in `country` allows.

    Counted are messages sent with the cart link, items not handed over, items handed over that are
    no contact lenses, and boxes left this subscription year.
    """
    live, unconfirmed = status in LIVE, status in UNCONFIRMED
    confirmed = confirmed_at is not None and status in CONFIRMED
    active = confirmed and status == Status.ACTIVE
    free = confirmed_at is None or now - confirmed_at < WITHDRAWAL
    by_email = unconfirmed and (status == Status.WAITING_FOR_PAYMENT or country == "MX")
    return {
        "cancel": live and not free,  # from 24 hours after the confirmation on
        "withdraw": live and free,  # before the confirmation and for 24 hours after it
        "send_sms": unconfirmed and has_phone and sms_count == 0,  # the first message
        "resend_sms": unconfirmed and has_phone and sms_count > 0,  # any later one
        "send_cart_link_email": by_email and has_email,  # before payment; in Mexico ever before
        "add_product": active,  # all has been handed over
        "change_item": active and payment_status == PaymentStatus.PAID,  # the same, and paid
        "activate_product": confirmed and pending_items > 0,  # something is to be handed over
        "use_warranty": confirmed and active_materials > 0,  # a contact lens has no warranty
        "deliver_boxes": confirmed and remaining_boxes > 0,  # also before the activation
    }

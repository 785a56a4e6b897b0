"""What a vision-test session may hold, and who may take the test.

Loaded values keep days as "YYYY-MM-DD", and regions in full ("US-IL"). Units:
dioptres for sphere, cylinder and add; degrees for axis; millimetres for
base_curve, diameter and pupillary_distance.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NoReturn

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import Float, Integer, List, Nested, String
from marshmallow.validate import OneOf, Range, Regexp


class Status(StrEnum):
    """Where a session is, in the words of the API."""

    CREATED = "created"
    STARTED = "started"
    AWAITING_CHECKOUT = "awaiting_checkout"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    AWAITING_REVIEW = "awaiting_review"
    RETAKE_REQUESTED = "retake_requested"
    APPROVED = "approved"
    REFERRED = "referred"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


GLASSES = "glasses"
CONTACTS = "contacts"
ACUITY = "acuity-service"
VERIFIED = "verified"
UNVERIFIED = "unverified"

EYES = ("right_eye", "left_eye")
# An eye's fields that have no meaning in a prescription of this type.
FOREIGN = {
    GLASSES: ("product_key", "base_curve", "diameter", "dominance"),
    CONTACTS: ("pupillary_distance",),
}

# "Under" this, as sent. Depth and number of items are ours: they keep a request cheap to check.
PARTNER_INFO_LENGTH = 20_000
PARTNER_INFO_DEPTH = 100
MAX_ITEMS = 20

_CODES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN
    BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR
    FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY
    KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
    MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON
    RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP
    TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XCD XCG XOF XPF
    YER ZAR ZMW ZWG
"""
# ISO 4217 as of 2026-01-01, without the codes that have no smallest unit to charge in
# (metals, units of account, testing).
CURRENCIES = frozenset(_CODES.split())

_STATES = """
    AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO
    MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY
"""
# The fifty states and the District of Columbia.
US_STATES = frozenset(f"US-{state}" for state in _STATES.split())


def full_region(region: str) -> str:
    """A region as ISO 3166-2: two bare letters are a US state."""
    return f"US-{region}" if len(region) == 2 else region


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _real_day(value: str) -> None:
    try:
        if _DATE.fullmatch(value):
            date.fromisoformat(value)
            return
    except ValueError:
        pass
    raise ValidationError("Must be a real date as YYYY-MM-DD.")


def _name(value: str) -> None:
    if len(value) > 50 or not any(sign.isprintable() and sign != " " for sign in value):
        raise ValidationError("Must be 1 to 50 characters, not blank.")


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)


# Numbers stay text: Python's int refuses more than 4,300 digits, JSON does not.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_not_json)


def _partner_info(text: str) -> None:
    if len(text) >= PARTNER_INFO_LENGTH:
        raise ValidationError("Must be under 20,000 characters as JSON text.")
    deep = f"Must not be nested deeper than {PARTNER_INFO_DEPTH} levels."
    try:
        document = _JSON.decode(text)
    except RecursionError:
        raise ValidationError(deep) from None
    except ValueError:
        raise ValidationError("Must be valid JSON.") from None
    if not isinstance(document, dict):
        raise ValidationError("Must be a JSON object.")
    level: list[Any] = [document]
    for _ in range(PARTNER_INFO_DEPTH):
        values = (each.values() if isinstance(each, dict) else each for each in level)
        level = [inner for each in values for inner in each if isinstance(inner, (dict, list))]
        if not level:
            return
    raise ValidationError(deep)


def _few(items: list[Any]) -> list[Any]:
    if len(items) > MAX_ITEMS:
        raise ValidationError(f"Must not have more than {MAX_ITEMS} items.")
    return items


_KEY = Regexp(
    re.compile(r"[A-Za-z0-9._:-]{1,64}\Z"),
    error="Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -",
)
# Dot-separated words, an @, a dotted host name; lengths of RFC 5321, letters of any script.
_EMAIL = Regexp(
    re.compile(
        r"(?=.{1,254}\Z)(?=[^@]{1,64}@)"
        r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@"
        r"(?:[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?\.)+"
        r"[^\W\d_](?:[^\W_]|-){0,61}[^\W_]\Z"
    ),
    error="Must be an e-mail address, such as name@example.com.",
)
REGION = Regexp(
    re.compile(r"(?:[A-Z]{2}|[A-Z]{2}-[A-Z0-9]{1,3})\Z"),
    error="Must be a US state such as IL, or an ISO 3166-2 code such as US-IL or CA-ON.",
)
_CURRENCY = OneOf(CURRENCIES, error="Must be an ISO 4217 code in capitals, such as USD.")
_ONE_OF = "Must be one of: {choices}."
_DIOPTRES = "Must be from {min} to {max} dioptres."
_MILLIMETRES = "Must be from {min} to {max} mm."


class EyeSchema(Schema):
    """One eye of a prescription of either type; what belongs to which is the prescription's."""

    product_key = String()
    sphere = Float(validate=Range(-30, 30, error=_DIOPTRES))
    cylinder = Float(validate=Range(-30, 30, error=_DIOPTRES))
    axis = Integer(strict=True, validate=Range(1, 180, error="Must be from 1 to 180 degrees."))
    base_curve = Float(validate=Range(5, 12, error=_MILLIMETRES))
    diameter = Float(validate=Range(8, 20, error=_MILLIMETRES))
    add = Float(validate=Range(0.25, 5, error=_DIOPTRES))
    dominance = String(validate=OneOf(("D", "N"), error="Must be D (dominant) or N."))
    pupillary_distance = Float(validate=Range(20, 50, error=_MILLIMETRES))


def _eye_faults(eye: Mapping[str, Any], kind: str | None) -> dict[str, list[str]]:
    """What one eye as sent breaks across its fields, in a prescription of this kind."""
    faults = {
        name: [f"Not a field of {kind}."] for name in FOREIGN.get(kind or "", ()) if name in eye
    }
    has_cylinder, has_axis = bool(eye.get("cylinder")), eye.get("axis") is not None
    if has_cylinder and not has_axis:
        faults["axis"] = ["Required with a cylinder."]
    if has_axis and not has_cylinder:
        faults["axis"] = ["Allowed only with a cylinder that is not zero."]
    return faults


class PrescriptionSchema(Schema):
    """A prescription that the person already holds; an eye without a value counts as no eye."""

    type = String(required=True, validate=OneOf((CONTACTS, GLASSES), error=_ONE_OF))
    verification = String(
        load_default=UNVERIFIED, validate=OneOf((VERIFIED, UNVERIFIED), error=_ONE_OF)
    )
    issue_date = String(validate=_real_day)
    expiration_date = String(validate=_real_day)
    right_eye = Nested(EyeSchema)
    left_eye = Nested(EyeSchema)

    # Eyes are judged as sent: a cylinder that is out of range is still a cylinder.
    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _whole(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        faults: dict[str, Any] = {}
        kind, issued, expires = (
            data.get(name) for name in ("type", "issue_date", "expiration_date")
        )
        if issued and expires and expires <= issued:
            faults["expiration_date"] = ["Must be after issue_date."]
        for name in EYES:
            if eye := sent.get(name):
                if found := _eye_faults(eye, kind):
                    faults[name] = found
            elif kind == GLASSES:
                faults[name] = ["Required: a glasses prescription has both eyes."]
            elif not any(sent.get(either) for either in EYES):
                faults[name] = ["Required: a prescription has at least one eye."]
        if faults:
            raise ValidationError(faults)


class ProductSchema(Schema):
    """One ordered product."""

    type = String(required=True, validate=OneOf((GLASSES, CONTACTS, ACUITY), error=_ONE_OF))


class OrderSchema(Schema):
    """What the partner has sold; an absent amount and 0 are different."""

    charged_currency = String(validate=_CURRENCY)
    charged_amount = Integer(
        strict=True, validate=Range(0, error="Must be 0 or more, in the smallest currency unit.")
    )
    products = List(Nested(ProductSchema), pre_load=_few)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _whole(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        faults: dict[str, Any] = {}
        if sent.get("charged_amount") is not None and not sent.get("charged_currency"):
            faults["charged_currency"] = ["Required with charged_amount."]
        kinds = [product.get("type") for product in data.get("products", ())]
        if ACUITY in kinds and (GLASSES in kinds or CONTACTS in kinds):
            alone = ["acuity-service cannot be ordered with glasses or contacts."]
            faults["products"] = {
                index: {"type": alone} for index, kind in enumerate(kinds) if kind == ACUITY
            }
        if faults:
            raise ValidationError(faults)


class QualificationUserSchema(Schema):
    """What decides a person's eligibility."""

    birthdate = String(required=True, validate=_real_day)
    region = String(required=True, validate=REGION, post_load=full_region)


class UserSchema(QualificationUserSchema):
    """The person who takes the test."""

    email = String(required=True, validate=_EMAIL)
    first_name = String(required=True, validate=_name)
    last_name = String(required=True, validate=_name)


class CheckQualificationSchema(Schema):
    """A CheckQualificationRequest."""

    user = Nested(QualificationUserSchema, required=True)
    prescriptions = List(Nested(PrescriptionSchema), pre_load=_few)

    @validates_schema(skip_on_field_errors=False)
    def _one_of_each_type(self, data: dict[str, Any], **_: Any) -> None:
        kinds = [each.get("type") for each in data.get("prescriptions", ())]
        again = [index for index, kind in enumerate(kinds) if kind and kind in kinds[:index]]
        if again:
            message = ["At most one prescription of each type is allowed."]
            raise ValidationError({"prescriptions": {index: {"type": message} for index in again}})


class CreateSessionSchema(CheckQualificationSchema):
    """A CreateSessionRequest."""

    user_key = String(required=True, validate=_KEY)
    session_key = String(required=True, validate=_KEY)
    user = Nested(UserSchema, required=True)
    order = Nested(OrderSchema)
    store_id = String()
    partner_info = String(validate=_partner_info)


CHECK_QUALIFICATION = CheckQualificationSchema()
CREATE_SESSION = CreateSessionSchema()


def date_faults(values: Mapping[str, Any], today: date) -> list[tuple[str, str]]:
    """What is wrong with the days of a loaded, perhaps partial, request as seen today."""
    birthdate = values.get("user", {}).get("birthdate")
    if birthdate and birthdate > today.isoformat():
        return [("user.birthdate", "Must not be in the future.")]
    return []


def store_faults(
    values: Mapping[str, Any], enabled_stores: Collection[str]
) -> list[tuple[str, str]]:
    """What is wrong with the store of a loaded, perhaps partial, request of this partner."""
    store_id = values.get("store_id")
    if store_id and store_id not in enabled_stores:
        return [("store_id", "Must be an enabled store of this partner.")]
    return []


@dataclass(frozen=True)
class Limits:
    """Whom a partner serves; every bound is itself served.

    Ages in whole years, powers in dioptres, regions as ISO 3166-2. A cylinder
    is limited in size, whatever its sign.
    """

    min_age: int = 18
    max_age: int = 55
    min_sphere: float = -12.0
    max_sphere: float = 6.0
    max_cylinder: float = 5.0
    max_add: float = 4.0
    regions: frozenset[str] = US_STATES


def age_on(day: date, birthdate: date) -> int:
    """Whole years of age; who was born on 29 February is a year older on 1 March in other years."""
    had_birthday = (day.month, day.day) >= (birthdate.month, birthdate.day)
    return day.year - birthdate.year - (not had_birthday)


def disqualifications(
    values: Mapping[str, Any], limits: Limits, products: Collection[str], today: date
) -> list[str]:
    """Every reason, in the API's order, why a valid request's person may not use the service.

    `products` are the lens products that the partner has mapped. An order of
    the acuity service alone needs no qualification.
    """
    ordered = {product["type"] for product in values.get("order", {}).get("products", ())}
    if ordered == {ACUITY}:
        return []
    user = values["user"]
    age = age_on(today, date.fromisoformat(user["birthdate"]))
    reasons = {
        "age": not limits.min_age <= age <= limits.max_age,
        "region": user["region"] not in limits.regions,
        "unknown_product_key": not product_keys(values) <= set(products),
        "prescription": any(_beyond(eye, limits) for eye in _eyes(values)),
    }
    return [reason for reason, applies in reasons.items() if applies]


def product_keys(values: Mapping[str, Any]) -> set[str]:
    """The lens products that a valid request's prescriptions name."""
    return {eye["product_key"] for eye in _eyes(values) if "product_key" in eye}


def _eyes(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    prescriptions = values.get("prescriptions", ())
    return [each[name] for each in prescriptions for name in EYES if name in each]


def _beyond(eye: Mapping[str, Any], limits: Limits) -> bool:
    sphere = eye.get("sphere", limits.max_sphere)
    return (
        not limits.min_sphere <= sphere <= limits.max_sphere
        or abs(eye.get("cylinder", 0.0)) > limits.max_cylinder
        or eye.get("add", 0.0) > limits.max_add
    )

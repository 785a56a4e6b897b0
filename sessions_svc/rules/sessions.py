"""What a vision-test session may hold, and where it may go.

Loaded values keep days as "YYYY-MM-DD", and regions in full ("US-IL"). What a
prescription may say is in `prescriptions`, what an acuity exam finds in `acuity`,
whom a partner serves in `qualification`.
"""

import json
import re
from collections.abc import Collection, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, NoReturn

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import Integer, List, Nested, String
from marshmallow.validate import OneOf, Range, Regexp

from sessions_svc.rules.acuity import VisualAcuitySchema
from sessions_svc.rules.codes import CURRENCIES, REGION, full_region
from sessions_svc.rules.prescriptions import (
    CONTACTS,
    GLASSES,
    ONE_OF,
    DispensedPrescriptionSchema,
    PrescriptionSchema,
    ensure_assets_fit,
    few,
    real_day,
)


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


# Where a session may go; what is not here has ended.
MOVES: Mapping[Status, frozenset[Status]] = {
    Status.CREATED: frozenset({Status.STARTED, Status.CANCELLED}),
    Status.STARTED: frozenset(
        {
            Status.AWAITING_CHECKOUT,
            Status.AWAITING_CONFIRMATION,
            Status.AWAITING_REVIEW,
            Status.REFERRED,
        }
    ),
    Status.AWAITING_CHECKOUT: frozenset({Status.AWAITING_CONFIRMATION, Status.AWAITING_REVIEW}),
    Status.AWAITING_CONFIRMATION: frozenset(
        {Status.AWAITING_REVIEW, Status.RETAKE_REQUESTED, Status.REFERRED}
    ),
    Status.AWAITING_REVIEW: frozenset(
        {
            Status.APPROVED,
            Status.REFERRED,
            Status.RETAKE_REQUESTED,
            Status.AWAITING_CONFIRMATION,
        }
    ),
    Status.RETAKE_REQUESTED: frozenset({Status.STARTED}),
}
# The same for an order of the acuity service.
ACUITY_MOVES: Mapping[Status, frozenset[Status]] = {
    Status.CREATED: frozenset({Status.STARTED, Status.CANCELLED}),
    Status.STARTED: frozenset({Status.COMPLETED}),
}

ACUITY = "acuity-service"
# Where handing in an exam, or what was missing after it, may lead.
SUBMITTED = (
    Status.AWAITING_CHECKOUT,
    Status.AWAITING_CONFIRMATION,
    Status.AWAITING_REVIEW,
    Status.REFERRED,
)
REQUIREMENTS = ("glasses_prior", "contacts_prior", "pupillary_distance", "id_verification")
# "Under" this, as sent. The depth is ours: it keeps a request cheap to check.
PARTNER_INFO_LENGTH = 20_000
PARTNER_INFO_DEPTH = 100


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


def _once(items: list[str]) -> None:
    if len(set(items)) < len(items):
        raise ValidationError("An item stands twice.")


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
_CURRENCY = OneOf(CURRENCIES, error="Must be an ISO 4217 code in capitals, such as USD.")


class ProductSchema(Schema):
    """One ordered product."""

    type = String(required=True, validate=OneOf((GLASSES, CONTACTS, ACUITY), error=ONE_OF))


class OrderSchema(Schema):
    """What the partner has sold; an absent amount and 0 are different."""

    charged_currency = String(validate=_CURRENCY)
    charged_amount = Integer(
        strict=True, validate=Range(0, error="Must be 0 or more, in the smallest currency unit.")
    )
    products = List(Nested(ProductSchema), pre_load=few)

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

    birthdate = String(required=True, validate=real_day)
    region = String(required=True, validate=REGION, post_load=full_region)


class UserSchema(QualificationUserSchema):
    """The person who takes the test."""

    email = String(required=True, validate=_EMAIL)
    first_name = String(required=True, validate=_name)
    last_name = String(required=True, validate=_name)


class CheckQualificationSchema(Schema):
    """A CheckQualificationRequest."""

    user = Nested(QualificationUserSchema, required=True)
    prescriptions = List(Nested(PrescriptionSchema), pre_load=few)

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


class KeysSchema(Schema):
    """A GetSessionRequest or a CancelSessionRequest."""

    user_key = String(required=True, validate=_KEY)
    session_key = String(required=True, validate=_KEY)


class ListSessionsSchema(Schema):
    """A ListSessionsRequest."""

    user_key = String(required=True, validate=_KEY)
    page = Integer(strict=True, load_default=1, validate=Range(1, error="Must be 1 or more."))
    per_page = Integer(
        strict=True, load_default=30, validate=Range(1, 100, error="Must be from {min} to {max}.")
    )


class MoveSchema(Schema):
    """A request of the desk that names a session, and no more."""

    partner = String(required=True)
    session_key = String(required=True, validate=_KEY)


class RequestConfirmationSchema(MoveSchema):
    """A RequestConfirmationRequest."""

    missing_requirements = List(
        String(validate=OneOf(REQUIREMENTS, error=ONE_OF)),
        required=True,
        pre_load=few,
        validate=_once,
    )


class SubmitExamSchema(MoveSchema):
    """A SubmitExamRequest."""

    status = String(required=True, validate=OneOf(SUBMITTED, error=ONE_OF))
    missing_requirements = List(
        String(validate=OneOf(REQUIREMENTS, error=ONE_OF)), pre_load=few, validate=_once
    )

    @validates_schema(skip_on_field_errors=True)
    def _missing(self, data: dict[str, Any], **_: Any) -> None:
        awaits = data["status"] == Status.AWAITING_CONFIRMATION
        if awaits == ("missing_requirements" in data):
            return
        message = "Required with" if awaits else "Allowed only with"
        faults = {"missing_requirements": [f"{message} awaiting_confirmation."]}
        raise ValidationError(faults)


class ApproveSchema(MoveSchema):
    """An ApproveRequest."""

    dispensed_prescriptions = List(
        Nested(DispensedPrescriptionSchema),
        required=True,
        pre_load=few,
        validate=ensure_assets_fit,
    )


class CompleteAcuitySchema(MoveSchema):
    """A CompleteAcuityRequest."""

    visual_acuity = Nested(VisualAcuitySchema, required=True)


CHECK_QUALIFICATION = CheckQualificationSchema()
CREATE_SESSION = CreateSessionSchema()
LIST_SESSIONS = ListSessionsSchema()
KEYS = KeysSchema()
MOVE = MoveSchema()
REQUEST_CONFIRMATION = RequestConfirmationSchema()
SUBMIT_EXAM = SubmitExamSchema()
APPROVE = ApproveSchema()
COMPLETE_ACUITY = CompleteAcuitySchema()


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

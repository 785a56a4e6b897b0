"""Schemas of the requests that partners send about sessions.

Loaded values keep dates as "YYYY-MM-DD" and regions in full ("US-IL").
"""

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import Integer, List, Nested, String
from marshmallow.validate import Range, Regexp

from optics.addresses import NOT_AN_ADDRESS
from optics.fields import one_of
from sessions_svc.rules.acuity import ACUITY_SERVICE
from sessions_svc.rules.codes import CURRENCY, REGION, expand_region
from sessions_svc.rules.fields import KEY, PERSON_REF, check_date, limit_items
from sessions_svc.rules.partner_info import check_partner_info
from sessions_svc.rules.prescriptions import CONTACTS, GLASSES, PrescriptionSchema

MAX_NAME_CHARACTERS = 50
# Words separated by dots, an @, a host name with a dot; lengths of RFC 5321, letters of any
# script.
_EMAIL = Regexp(
    re.compile(
        r"(?=.{1,254}\Z)(?=[^@]{1,64}@)"
        r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@"
        r"(?:[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?\.)+"
        r"[^\W\d_](?:[^\W_]|-){0,61}[^\W_]\Z"
    ),
    error=NOT_AN_ADDRESS,
)


def _check_name(value: str) -> None:
    is_blank = not any(sign.isprintable() and sign != " " for sign in value)
    if len(value) > MAX_NAME_CHARACTERS or is_blank:
        raise ValidationError("Must be 1 to 50 characters, not blank.")


class ProductSchema(Schema):
    """An ordered product."""

    type = String(required=True, validate=one_of(GLASSES, CONTACTS, ACUITY_SERVICE))


class OrderSchema(Schema):
    """What the partner has sold; an absent charged_amount differs from 0."""

    charged_currency = String(validate=CURRENCY)
    charged_amount = Integer(
        strict=True, validate=Range(0, error="Must be 0 or more, in the smallest currency unit.")
    )
    products = List(Nested(ProductSchema), pre_load=limit_items)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_order(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        """Check the fields against each other."""
        faults: dict[str, Any] = {}
        if sent.get("charged_amount") is not None and not sent.get("charged_currency"):
            faults["charged_currency"] = ["Required with charged_amount."]
        types = [product.get("type") for product in data.get("products", ())]
        if ACUITY_SERVICE in types and (GLASSES in types or CONTACTS in types):
            must_be_alone = ["acuity-service cannot be ordered with glasses or contacts."]
            faults["products"] = {
                index: {"type": must_be_alone}
                for index, type in enumerate(types)
                if type == ACUITY_SERVICE
            }
        if faults:
            raise ValidationError(faults)


class QualificationUserSchema(Schema):
    """The details that decide whether a person is eligible."""

    birthdate = String(required=True, validate=check_date)
    region = String(required=True, validate=REGION, post_load=expand_region)


class UserSchema(QualificationUserSchema):
    """The person who takes the test, in full."""

    email = String(required=True, validate=_EMAIL)
    first_name = String(required=True, validate=_check_name)
    last_name = String(required=True, validate=_check_name)
    person_ref = String(validate=PERSON_REF)


class CheckQualificationSchema(Schema):
    """A CheckQualificationRequest."""

    user = Nested(QualificationUserSchema, required=True)
    prescriptions = List(Nested(PrescriptionSchema), pre_load=limit_items)

    @validates_schema(skip_on_field_errors=False)
    def check_types(self, data: dict[str, Any], **_: Any) -> None:
        """Allow one prescription of each type."""
        types = [each.get("type") for each in data.get("prescriptions", ())]
        repeats = [index for index, type in enumerate(types) if type and type in types[:index]]
        if repeats:
            fault = ["At most one prescription of each type is allowed."]
            raise ValidationError({"prescriptions": {index: {"type": fault} for index in repeats}})


class CreateSessionSchema(CheckQualificationSchema):
    """A CreateSessionRequest or a ReplaceSessionRequest."""

    user_key = String(required=True, validate=KEY)
    session_key = String(required=True, validate=KEY)
    user = Nested(UserSchema, required=True)
    order = Nested(OrderSchema)
    store_id = String()
    partner_info = String(validate=check_partner_info)


class KeysSchema(Schema):
    """A GetSessionRequest or a CancelSessionRequest."""

    user_key = String(required=True, validate=KEY)
    session_key = String(required=True, validate=KEY)


class ListSessionsSchema(Schema):
    """A ListSessionsRequest."""

    user_key = String(validate=KEY)
    person_ref = String(validate=PERSON_REF)
    page = Integer(strict=True, load_default=1, validate=Range(1, error="Must be 1 or more."))
    per_page = Integer(
        strict=True, load_default=30, validate=Range(1, 100, error="Must be from {min} to {max}.")
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_user(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        """Require a user, or a person."""
        if "user_key" not in sent and "person_ref" not in sent:
            raise ValidationError({"user_key": ["Missing data for required field."]})


CHECK_QUALIFICATION = CheckQualificationSchema()
CREATE_SESSION = CreateSessionSchema()
LIST_SESSIONS = ListSessionsSchema()
SESSION_KEYS = KeysSchema()


def find_date_faults(values: Mapping[str, Any], today: date) -> list[tuple[str, str]]:
    """Return the faults of dates that depend on today, as (path, message).

    `values` are loaded values; of an invalid request, those that are valid.
    """
    birthdate = values.get("user", {}).get("birthdate")
    if birthdate and birthdate > today.isoformat():
        return [("user.birthdate", "Must not be in the future.")]
    return []


def find_store_faults(
    values: Mapping[str, Any], enabled_stores: Collection[str]
) -> list[tuple[str, str]]:
    """Return the fault of a store that the partner has not enabled, as (path, message).

    `values` are as for `find_date_faults`.
    """
    store_id = values.get("store_id")
    if store_id and store_id not in enabled_stores:
        return [("store_id", "Must be an enabled store of this partner.")]
    return []

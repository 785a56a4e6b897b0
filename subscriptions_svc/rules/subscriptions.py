"""Schemas of the requests about subscriptions, their boxes and their payment.

A schema checks the shape of a request: its faults are answered as `malformed`. What a well-formed
request means is checked by the `find_..._faults` functions of the other modules, which yield
(path, message): their faults are answered as `invalid`, and they skip whatever the schema has
refused. Loaded days stay "YYYY-MM-DD" and money stays in minor units.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import Boolean, Integer, List, Nested, String
from marshmallow.validate import ContainsOnly

from optics.fields import at_most, between, one_of
from subscriptions_svc.rules.agreements.terms import MAX_RENEWAL_MONTHS
from subscriptions_svc.rules.carts import CartItemSchema
from subscriptions_svc.rules.prescriptions.outcomes import DELIVERED, UNKNOWN
from subscriptions_svc.rules.prescriptions.schemas import NewPrescriptionSchema
from subscriptions_svc.rules.shapes import (
    ANY_OF_MESSAGE,
    COUNT_RANGE,
    FILLED_LIST,
    FILLED_TEXT,
    MAX_DISCOUNTS_LENGTH,
    PERSON_REF,
    SHORT_TEXT,
    CommaSeparated,
    check_day,
    check_json_array,
    check_period,
)
from subscriptions_svc.rules.statuses import PaymentStatus, Status

MAX_PAGE = 100  # rows of a page


class MerchantSchema(Schema):
    """A merchant and one of its stores."""

    id = String(required=True, validate=FILLED_TEXT)
    store_ref = String(required=True, validate=FILLED_TEXT)


class CreateSubscriptionSchema(Schema):
    """A solicitation."""

    merchant = Nested(MerchantSchema, required=True)
    reference = String(required=True, validate=FILLED_TEXT)
    operator_ref = String(validate=SHORT_TEXT)
    person_ref = String(validate=PERSON_REF)
    given_names = String(validate=SHORT_TEXT)
    surnames = String(validate=SHORT_TEXT)
    mobile_phone = String(validate=SHORT_TEXT)
    email = String(validate=SHORT_TEXT)
    date_of_birth = String(validate=SHORT_TEXT)
    nin = String(validate=SHORT_TEXT)
    nin_control = String(validate=SHORT_TEXT)
    address = String(validate=SHORT_TEXT)
    postal_code = String(validate=SHORT_TEXT)
    city = String(validate=SHORT_TEXT)
    discounts = String(validate=(at_most(MAX_DISCOUNTS_LENGTH), check_json_array))
    cart_items = List(Nested(CartItemSchema), required=True, validate=FILLED_LIST)


class ListSubscriptionsSchema(Schema):
    """Filters of a list, and which page of it."""

    status = CommaSeparated(validate=ContainsOnly(list(Status), error=ANY_OF_MESSAGE))
    payment_status = CommaSeparated(
        validate=ContainsOnly(list(PaymentStatus), error=ANY_OF_MESSAGE)
    )
    search = String(validate=SHORT_TEXT)
    person_ref = String(validate=PERSON_REF)
    created_at = String(validate=check_period)
    created_at_from = String(validate=check_day)
    created_at_to = String(validate=check_day)
    activated_at = String(validate=check_period)
    activated_at_from = String(validate=check_day)
    activated_at_to = String(validate=check_day)
    merchant_id = CommaSeparated()
    merchant_reference = CommaSeparated()
    store_ref = CommaSeparated()
    store_id = CommaSeparated()
    page = Integer(strict=True, load_default=1, validate=COUNT_RANGE)
    per_page = Integer(strict=True, load_default=30, validate=between(1, MAX_PAGE))


class NewDeliverySchema(Schema):
    """Boxes of one item."""

    cart_item_reference_uuid = String(required=True, validate=FILLED_TEXT)
    quantity = Integer(strict=True, required=True, validate=COUNT_RANGE)
    outcome = String(validate=one_of(DELIVERED, UNKNOWN))


class CreateBoxDeliveriesSchema(Schema):
    """Boxes handed over."""

    subscription_id = String(required=True)
    deliveries = List(Nested(NewDeliverySchema), required=True, validate=FILLED_LIST)


class ListDeliveriesSchema(Schema):
    """A page of a subscription's deliveries."""

    subscription_id = String(required=True)
    page = Integer(strict=True, load_default=1, validate=COUNT_RANGE)
    per_page = Integer(strict=True, load_default=30, validate=between(1, MAX_PAGE))


class RecordPaymentSchema(Schema):
    """The outcome of a payment."""

    subscription_id = String(required=True)
    successful = Boolean(required=True)


class UpdateCustomerInfoSchema(Schema):
    """Fields of the customer that change; others stay."""

    subscription_id = String(required=True)
    person_ref = String(validate=PERSON_REF)
    given_names = String(validate=SHORT_TEXT)
    surnames = String(validate=SHORT_TEXT)
    mobile_phone = String(validate=SHORT_TEXT)
    email = String(validate=SHORT_TEXT)
    date_of_birth = String(validate=SHORT_TEXT)
    nin = String(validate=SHORT_TEXT)
    nin_control = String(validate=SHORT_TEXT)
    address = String(validate=SHORT_TEXT)
    postal_code = String(validate=SHORT_TEXT)
    city = String(validate=SHORT_TEXT)

    @validates_schema
    def check_any(self, data: Mapping[str, Any], **_: Any) -> None:
        """Require a field that changes."""
        if data.keys() <= {"subscription_id"}:
            raise ValidationError("Send at least one field of the customer.", "given_names")


class ChangeGraduationSchema(Schema):
    """Parameters of a lens that change; others stay."""

    subscription_id = String(required=True)
    reference_uuid = String(required=True)
    reference = String(validate=FILLED_TEXT)
    name = String(validate=FILLED_TEXT)
    prescription = Nested(NewPrescriptionSchema)

    @validates_schema
    def check_any(self, data: Mapping[str, Any], **_: Any) -> None:
        """Require a parameter that changes."""
        if data.keys() <= {"subscription_id", "reference_uuid"}:
            raise ValidationError("Send at least one parameter of the lens.", "reference")


class ExtendPeriodSchema(Schema):
    """Months to be added."""

    subscription_id = String(required=True)
    months = Integer(strict=True, required=True, validate=between(1, MAX_RENEWAL_MONTHS))


class PersonRequestSchema(Schema):
    """A person, named by one of what this service knows of shoppers."""

    email = String(validate=FILLED_TEXT)
    phone = String(validate=FILLED_TEXT)
    nin = String(validate=FILLED_TEXT)
    person_ref = String(validate=PERSON_REF)
    merchant_id = String(validate=FILLED_TEXT)
    include_open = Boolean()

    @validates_schema
    def check_one(self, data: Mapping[str, Any], **_: Any) -> None:
        """Require one of the four."""
        if sum(name in data for name in ("email", "phone", "nin", "person_ref")) != 1:
            raise ValidationError("Send one of email, phone, nin and person_ref.", "email")


PERSON_REQUEST = PersonRequestSchema()
CREATE_SUBSCRIPTION = CreateSubscriptionSchema()
LIST_SUBSCRIPTIONS = ListSubscriptionsSchema()
CREATE_BOX_DELIVERIES = CreateBoxDeliveriesSchema()
LIST_DELIVERIES = ListDeliveriesSchema()
RECORD_PAYMENT = RecordPaymentSchema()
UPDATE_CUSTOMER_INFO = UpdateCustomerInfoSchema()
CHANGE_GRADUATION = ChangeGraduationSchema()
EXTEND_PERIOD = ExtendPeriodSchema()

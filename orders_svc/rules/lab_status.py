"""The statuses of an order, and how a lab changes them."""

from enum import StrEnum
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from optics.fields import filled, one_of


class LabStatus(StrEnum):
    """The status of an order."""

    DRAFT = "draft"
    PENDING_TRANSMISSION = "pending_transmission"
    SUBMITTED = "submitted"
    IN_PROGRESS = "in_progress"
    SHIPPED = "shipped"
    READY_FOR_PICKUP = "ready_for_pickup"
    CANCELLED = "cancelled"
    ON_HOLD = "on_hold"


# For each status that a lab may set, the statuses from which it may do so. Only the client turns
# a draft into a submitted order, with `SubmitOrder`, and time alone transmits a pending one. An
# order on hold must be resumed before it can be shipped or cancelled.
ALLOWED_SOURCES: dict[LabStatus, frozenset[LabStatus]] = {
    LabStatus.SUBMITTED: frozenset({LabStatus.ON_HOLD}),
    LabStatus.IN_PROGRESS: frozenset({LabStatus.SUBMITTED, LabStatus.ON_HOLD}),
    LabStatus.SHIPPED: frozenset({LabStatus.IN_PROGRESS}),
    LabStatus.CANCELLED: frozenset({LabStatus.SUBMITTED, LabStatus.IN_PROGRESS}),
    LabStatus.ON_HOLD: frozenset({LabStatus.SUBMITTED, LabStatus.IN_PROGRESS}),
}
# The statuses of orders that a lab sees; the client alone says what may be picked up.
LAB_STATUSES = frozenset({*ALLOWED_SOURCES, LabStatus.READY_FOR_PICKUP})
FINAL_STATUSES = (LabStatus.SHIPPED, LabStatus.READY_FOR_PICKUP, LabStatus.CANCELLED)
# What a patient reads on their page: nothing of what went wrong on the way.
PATIENT_STATUSES: dict[str, str] = {
    LabStatus.IN_PROGRESS: "in_production",
    LabStatus.ON_HOLD: "in_production",
    LabStatus.SHIPPED: "shipped",
    LabStatus.READY_FOR_PICKUP: "ready_for_pickup",
    LabStatus.CANCELLED: "cancelled",
}
ORDERED = "ordered"  # for every other status
UPDATABLE_FIELDS = ("lab_status", "tray_number", "invoice_number", "tracking_number")


class UpdateOrderRequestSchema(Schema):
    """A lab's change of an order."""

    order_id = fields.String(required=True)
    lab_status = fields.String(validate=one_of(*ALLOWED_SOURCES))
    tray_number = fields.String(validate=filled(50))
    invoice_number = fields.String(validate=filled(50))
    tracking_number = fields.String(validate=filled(100))
    lab_word = fields.String(validate=filled(100))

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_change(self, data: dict[str, Any], original: dict[str, Any], **_: Any) -> None:
        """Require a change."""
        if not original.keys() & set(UPDATABLE_FIELDS):
            names = ", ".join(UPDATABLE_FIELDS)
            raise ValidationError({UPDATABLE_FIELDS[0]: [f"Send one of: {names}."]})
        if "lab_word" in original and "lab_status" not in original:
            raise ValidationError({"lab_word": ["Only with lab_status."]})


class AnswerCancelRequestRequestSchema(Schema):
    """A lab's answer to a client who asked to cancel an order."""

    order_id = fields.String(required=True)
    accepted = fields.Boolean(required=True)
    reason = fields.String(validate=filled(250))


UPDATE_ORDER_REQUEST = UpdateOrderRequestSchema()
ANSWER_CANCEL_REQUEST_REQUEST = AnswerCancelRequestRequestSchema()


def allowed_sources(change: dict[str, Any]) -> frozenset[LabStatus]:
    """Return the statuses in which an order may be changed this way."""
    if "lab_status" in change:
        return ALLOWED_SOURCES[LabStatus(change["lab_status"])]
    return LAB_STATUSES

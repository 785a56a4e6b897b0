"""Where an order stands, and how a lab moves it: pure, without a store."""

from enum import StrEnum
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from orders_svc.rules.order import filled, one_of


class LabStatus(StrEnum):
    """Where an order stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_PROGRESS = "in_progress"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    ON_HOLD = "on_hold"


# Where a lab may take an order to, and from where. That a draft becomes submitted is its
# client's move, `SubmitOrder`. An order on hold goes back, and is only cancelled from there.
MOVES: dict[LabStatus, frozenset[LabStatus]] = {
    LabStatus.SUBMITTED: frozenset({LabStatus.ON_HOLD}),
    LabStatus.IN_PROGRESS: frozenset({LabStatus.SUBMITTED, LabStatus.ON_HOLD}),
    LabStatus.SHIPPED: frozenset({LabStatus.IN_PROGRESS}),
    LabStatus.CANCELLED: frozenset({LabStatus.SUBMITTED, LabStatus.IN_PROGRESS}),
    LabStatus.ON_HOLD: frozenset({LabStatus.SUBMITTED, LabStatus.IN_PROGRESS}),
}
# What a lab knows of: all but drafts.
SENT = frozenset(MOVES)
CHANGES = ("lab_status", "tray_number", "invoice_number")


class UpdateOrderRequestSchema(Schema):
    """What changes of an order."""

    order_id = fields.String(required=True)
    lab_status = fields.String(validate=one_of(*MOVES))
    tray_number = fields.String(validate=filled(50))
    invoice_number = fields.String(validate=filled(50))

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_change(self, data: dict[str, Any], sent: dict[str, Any], **_: Any) -> None:
        """Want something to change."""
        if not sent.keys() & set(CHANGES):
            raise ValidationError({CHANGES[0]: [f"Send one of: {', '.join(CHANGES)}."]})


UPDATE_ORDER_REQUEST = UpdateOrderRequestSchema()

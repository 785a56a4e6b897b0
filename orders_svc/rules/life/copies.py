"""Rules of what is made from an order: a copy, a redo or a further pair."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from optics.fields import check_not_blank, filled, one_of


class RedoReasonSchema(Schema):
    """Why an order is redone; the reference is filled in."""

    type = fields.String(required=True, validate=check_not_blank)
    reason = fields.String(required=True, validate=filled(250))


class DuplicateOrderRequestSchema(Schema):
    """What to make of an order."""

    order_id = fields.String()
    submission_type = fields.String(
        load_default="new", validate=one_of("new", "redo", "multi_pair")
    )
    redo_data = fields.Nested(RedoReasonSchema)

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_redo(self, data: dict[str, Any], original: dict[str, Any], **_: Any) -> None:
        """Require a reason of a redo, and of nothing else."""
        is_redo = data.get("submission_type") == "redo"
        if is_redo and "redo_data" not in original:
            raise ValidationError({"redo_data": ["Required with submission_type redo."]})
        if "redo_data" in original and not is_redo and "submission_type" in data:
            raise ValidationError({"redo_data": ["Only with submission_type redo."]})


DUPLICATE_ORDER_REQUEST = DuplicateOrderRequestSchema()

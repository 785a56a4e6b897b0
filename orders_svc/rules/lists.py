"""Rules of the requests for lists of orders."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from optics.fields import between, check_not_blank, filled, one_of
from orders_svc.rules.catalogs import GetOrderSettingsRequestSchema
from orders_svc.rules.lab_status import ALLOWED_SOURCES, LabStatus

DEFAULT_LIMIT, MAX_LIMIT = 10, 100
# Unix time in seconds. Milliseconds of our days are above it and thus refused.
_check_seconds = between(0, 99_999_999_999)


class PageSchema(Schema):
    """A page: the one after an order of the list, the one before it, or the first."""

    starting_after = fields.String()
    ending_before = fields.String()
    limit = fields.Integer(strict=True, load_default=DEFAULT_LIMIT, validate=between(1, MAX_LIMIT))

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_cursors(self, data: dict[str, Any], original: dict[str, Any], **_: Any) -> None:
        """Allow one cursor at most."""
        if "starting_after" in original and "ending_before" in original:
            raise ValidationError({"ending_before": ["Not together with starting_after."]})


class ListOrdersRequestSchema(PageSchema, GetOrderSettingsRequestSchema):
    """A lab of the user, and when its orders were created."""

    person_ref = fields.String(validate=filled(64))
    created_gt = fields.Integer(strict=True, validate=_check_seconds)
    created_gte = fields.Integer(strict=True, validate=_check_seconds)
    created_lt = fields.Integer(strict=True, validate=_check_seconds)
    created_lte = fields.Integer(strict=True, validate=_check_seconds)


class ListLabOrdersRequestSchema(PageSchema):
    """A lab, and the status of its orders."""

    person_ref = fields.String(validate=filled(64))
    lab = fields.String(required=True, validate=check_not_blank)
    lab_status = fields.String(validate=one_of(*ALLOWED_SOURCES, LabStatus.READY_FOR_PICKUP))


LIST_ORDERS_REQUEST = ListOrdersRequestSchema()
LIST_LAB_ORDERS_REQUEST = ListLabOrdersRequestSchema()

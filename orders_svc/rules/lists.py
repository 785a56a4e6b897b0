"""Which page of which orders may be asked for: pure, without a store."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from orders_svc.rules.lab_status import MOVES
from orders_svc.rules.order import GetOrderSettingsRequestSchema, between, not_blank, one_of

PER_PAGE, MOST = 10, 100
# Unix time in seconds. In milliseconds every moment of our days is above it, and refused.
_seconds = between(0, 99_999_999_999)


class PageSchema(Schema):
    """A page: the one after an order of the list, the one before it, or the first."""

    starting_after = fields.String()
    ending_before = fields.String()
    limit = fields.Integer(strict=True, load_default=PER_PAGE, validate=between(1, MOST))

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_cursors(self, data: dict[str, Any], sent: dict[str, Any], **_: Any) -> None:
        """Want one cursor at most."""
        if "starting_after" in sent and "ending_before" in sent:
            raise ValidationError({"ending_before": ["Not together with starting_after."]})


class ListOrdersRequestSchema(PageSchema, GetOrderSettingsRequestSchema):
    """A lab of the user, and when its orders were made."""

    created_gt = fields.Integer(strict=True, validate=_seconds)
    created_gte = fields.Integer(strict=True, validate=_seconds)
    created_lt = fields.Integer(strict=True, validate=_seconds)
    created_lte = fields.Integer(strict=True, validate=_seconds)


class ListLabOrdersRequestSchema(PageSchema):
    """A lab, and where its orders stand."""

    lab = fields.String(required=True, validate=not_blank)
    lab_status = fields.String(validate=one_of(*MOVES))


LIST_ORDERS_REQUEST = ListOrdersRequestSchema()
LIST_LAB_ORDERS_REQUEST = ListLabOrdersRequestSchema()

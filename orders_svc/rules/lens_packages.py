"""Rules of a saved lens package."""

from marshmallow import fields

from optics.fields import at_most, filled
from orders_svc.rules.catalogs import GetOrderSettingsRequestSchema
from orders_svc.rules.order import LensSchema, check_count


class CreateLensPackageRequestSchema(GetOrderSettingsRequestSchema):
    """A lens package of a user for a lab."""

    name = fields.String(required=True, validate=filled(50))
    description = fields.String(validate=at_most(250))
    lens = fields.Nested(LensSchema, required=True)
    services = fields.List(fields.String(), validate=check_count)


CREATE_LENS_PACKAGE_REQUEST = CreateLensPackageRequestSchema()

"""The personal fields of an order, and how staff names a person."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from optics.fields import filled

# Blocks and fields of an order that are gone once it is erased.
PERSONAL_BLOCKS = ("rx", "shipping", "special_instructions")
PERSONAL_FRAME_FIELDS = ("tracing", "mirror_tracing")


def blank_order(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order's document without what concerns its patient.

    What remains says what was made: lab, account, lens, frame and services.
    """
    blank = {name: value for name, value in order.items() if name not in PERSONAL_BLOCKS}
    blank["patient"] = {"first_name": "", "last_name": ""}
    frame = order.get("frame", {})
    blank["frame"] = {
        name: value for name, value in frame.items() if name not in PERSONAL_FRAME_FIELDS
    }
    for block, name in (("lens", "tint_instruction"), ("redo_data", "reason")):
        if name in order.get(block, {}):
            blank[block] = {**order[block], name: ""}
    return blank


class PersonRequestSchema(Schema):
    """A person, named by one of what this service knows of patients."""

    email = fields.String(validate=filled(254))
    phone = fields.String(validate=filled(50))
    person_ref = fields.String(validate=filled(64))
    client = fields.String(validate=filled(64))
    include_open = fields.Boolean()

    @validates_schema
    def check_one(self, data: Mapping[str, Any], **_: Any) -> None:
        """Require one of the three."""
        if sum(name in data for name in ("email", "phone", "person_ref")) != 1:
            raise ValidationError("Send one of email, phone and person_ref.", "email")


PERSON_REQUEST = PersonRequestSchema()

"""How staff names a person."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import Boolean, String

from optics.fields import filled
from sessions_svc.rules.fields import KEY

# The results of an erased acuity exam.
BLANK_ACUITY = {"right_eye": {}, "left_eye": {}, "correction": ""}


class PersonRequestSchema(Schema):
    """A person, named by one of what this service knows of users."""

    email = String(validate=filled(254))
    user_key = String(validate=KEY)
    partner = String(validate=filled(64))
    include_open = Boolean()

    @validates_schema
    def check_one(self, data: Mapping[str, Any], **_: Any) -> None:
        """Require one of the two."""
        if ("email" in data) == ("user_key" in data):
            raise ValidationError("Send email or user_key, and not both.", "email")


PERSON_REQUEST = PersonRequestSchema()

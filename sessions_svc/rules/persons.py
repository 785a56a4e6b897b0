"""How staff names a person."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import Boolean, String

from optics.fields import filled
from sessions_svc.rules.fields import KEY, PERSON_REF

# The results of an erased acuity exam.
BLANK_ACUITY = {"right_eye": {}, "left_eye": {}, "correction": ""}


class PersonRequestSchema(Schema):
    """A person, named by one of what this service knows of users."""

    email = String(validate=filled(254))
    user_key = String(validate=KEY)
    person_ref = String(validate=PERSON_REF)
    partner = String(validate=filled(64))
    include_open = Boolean()

    @validates_schema
    def check_one(self, data: Mapping[str, Any], **_: Any) -> None:
        """Require one of the three."""
        if sum(name in data for name in ("email", "user_key", "person_ref")) != 1:
            raise ValidationError("Send one of email, user_key and person_ref.", "email")


PERSON_REQUEST = PersonRequestSchema()

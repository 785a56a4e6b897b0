"""Schemas of prescriptions and of the requests about their verification.

Units: dioptres for sphere, cylinder and add; degrees for axis; millimetres for base_curve and
diameter. The bounds are those of dispensed prescriptions of contacts.
"""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from marshmallow import Schema, ValidationError, pre_load, validates_schema
from marshmallow.fields import Float, Integer, Nested, String
from marshmallow.validate import Regexp

from optics.fields import between, one_of
from optics.powers import MAX_AXIS, drop_zero_cylinder, drops_axis
from subscriptions_svc.rules.prescriptions.verification import OUTCOMES
from subscriptions_svc.rules.shapes import FILLED_TEXT, Faults, Values, check_day

EYES = ("left", "right", "both")
_DIOPTRES = between(-30, 30)
# What a prescription is made of, as it is kept.
POWERS = ("sphere", "cylinder", "axis", "add", "base_curve", "diameter")


@lru_cache(maxsize=1)
def _list_time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def check_time_zone(name: str) -> None:
    """Raise ValidationError unless the text names a time zone."""
    if name not in _list_time_zones():
        raise ValidationError("Must be a time zone of the IANA database, such as Europe/Madrid.")


class PrescriberSchema(Schema):
    """Who has prescribed a lens."""

    name = String(validate=FILLED_TEXT)
    country = String(validate=Regexp(r"[A-Z]{2}\Z", error="Must be two letters, such as US."))
    time_zone = String(validate=check_time_zone)


class NewPrescriptionSchema(Schema):
    """A prescription of one contact lens."""

    sphere = Float(required=True, validate=_DIOPTRES)
    cylinder = Float(validate=_DIOPTRES)
    axis = Integer(strict=True, validate=between(1, MAX_AXIS))
    add = Float(validate=between(0.25, 5))
    base_curve = Float(validate=between(5, 12))
    diameter = Float(validate=between(8, 20))
    issue_date = String(required=True, validate=check_day)
    expiration_date = String(validate=check_day)
    prescriber = Nested(PrescriberSchema)
    eye = String(validate=one_of(*EYES))

    @pre_load
    def _drop_axis(self, data: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        """Drop a cylinder of 0: it is none, with an axis of 0-180 or without."""
        return drop_zero_cylinder(data) if drops_axis(data) else data

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_fields(self, data: Values, sent: Values, **_: Any) -> None:
        kept = drop_zero_cylinder(sent) if drops_axis(sent) else sent
        faults = {}
        if kept.get("cylinder") and kept.get("axis") is None:
            faults["axis"] = ["Required with a cylinder."]
        if kept.get("axis") is not None and not kept.get("cylinder"):
            faults["axis"] = ["Allowed only with a cylinder that is not zero."]
        issued, expires = data.get("issue_date"), data.get("expiration_date")
        if issued and expires and expires <= issued:
            faults["expiration_date"] = ["Must be after issue_date."]
        if faults:
            raise ValidationError(faults)


class RequestVerificationSchema(Schema):
    """A lens whose prescriber was asked."""

    subscription_id = String(required=True)
    reference_uuid = String(required=True, validate=FILLED_TEXT)


class RecordVerificationSchema(RequestVerificationSchema):
    """What a verification has come to."""

    outcome = String(required=True, validate=one_of(*OUTCOMES))


REQUEST_VERIFICATION = RequestVerificationSchema()
RECORD_VERIFICATION = RecordVerificationSchema()


def find_prescription_faults(item: Values, eye: str | None, today: date, prefix: str) -> Faults:
    """Yield faults of the prescription of a lens, if it has one: another eye, a later day."""
    prescription = item.get("prescription")
    if prescription is None:
        return
    if prescription.get("eye", eye) != eye:
        yield f"{prefix}prescription.eye", "Must be the eye of the lens."
    if prescription["issue_date"] > today.isoformat():
        yield f"{prefix}prescription.issue_date", "Must not be in the future."

"""Schemas of prescriptions: those that a person already holds, and those that a doctor dispenses.

Units: dioptres for sphere, cylinder and add; degrees for axis; millimetres for
base_curve, diameter and pupillary_distance. Loaded values keep dates as
"YYYY-MM-DD".
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, pre_load, validates_schema
from marshmallow.fields import Float, Integer, List, Nested, Raw, String
from marshmallow.validate import Length, OneOf, Range, Regexp

from optics.fields import one_of
from optics.powers import drop_zero_cylinder, drops_axis
from sessions_svc.rules.fields import check_date, limit_items

GLASSES = "glasses"
CONTACTS = "contacts"
VERIFIED = "verified"
UNVERIFIED = "unverified"

EYES = ("right_eye", "left_eye")
# By type of prescription, the fields that an eye of a dispensed prescription must not have.
FOREIGN_DISPENSED_FIELDS = {
    GLASSES: (
        "product_keys",
        "brand_label",
        "model_label",
        "base_curve",
        "diameter",
        "dominance",
    ),
    CONTACTS: ("pupillary_distance",),
}
# The same for a prescription that a person already holds.
FOREIGN_FIELDS = {
    **FOREIGN_DISPENSED_FIELDS,
    GLASSES: ("product_key", *FOREIGN_DISPENSED_FIELDS[GLASSES]),
}
# Of all prescriptions of a session together. They are also sent in an event, in Base64.
MAX_ASSET_BYTES = 5 * 1024 * 1024

_DIOPTRES = "Must be from {min} to {max} dioptres."
_MILLIMETRES = "Must be from {min} to {max} mm."
_LABEL = Length(1, 200, error="Must be 1 to 200 characters.")
_MEDIA_TYPE = Regexp(
    re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}\Z"),
    error="Must be a media type, such as application/pdf.",
)


class PowersSchema(Schema):
    """One eye; the type of the prescription decides which fields it may have."""

    sphere = Float(validate=Range(-30, 30, error=_DIOPTRES))
    cylinder = Float(validate=Range(-30, 30, error=_DIOPTRES))
    axis = Integer(strict=True, validate=Range(1, 180, error="Must be from 1 to 180 degrees."))
    base_curve = Float(validate=Range(5, 12, error=_MILLIMETRES))
    diameter = Float(validate=Range(8, 20, error=_MILLIMETRES))
    add = Float(validate=Range(0.25, 5, error=_DIOPTRES))
    dominance = String(validate=OneOf(("D", "N"), error="Must be D (dominant) or N."))
    pupillary_distance = Float(validate=Range(20, 50, error=_MILLIMETRES))

    @pre_load
    def drop_axis(self, data: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        """Drop a cylinder of 0: it is none, with an axis of 0-180 or without."""
        return drop_zero_cylinder(data) if drops_axis(data) else data


class EyeSchema(PowersSchema):
    """One eye of a prescription that the person already holds."""

    product_key = String()


class DispensedEyeSchema(PowersSchema):
    """One eye of a dispensed prescription."""

    product_keys = List(String(validate=_LABEL), pre_load=limit_items)
    brand_label = String(validate=_LABEL)
    model_label = String(validate=_LABEL)
    sphere = Float(required=True, validate=Range(-30, 30, error=_DIOPTRES))


def _find_eye_faults(eye: Mapping[str, Any], type: str | None) -> dict[str, list[str]]:
    """Return the faults between the fields of one eye as sent, in a prescription of this type."""
    faults = {
        name: [f"Not a field of {type}."]
        for name in FOREIGN_FIELDS.get(type or "", ())
        if name in eye
    }
    has_cylinder, has_axis = bool(eye.get("cylinder")), eye.get("axis") is not None
    if has_cylinder and not has_axis:
        faults["axis"] = ["Required with a cylinder."]
    if has_axis and not has_cylinder:
        faults["axis"] = ["Allowed only with a cylinder that is not zero."]
    return faults


def _find_prescription_faults(data: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the faults between the fields of a prescription.

    Eyes are checked as sent: a cylinder that is out of range is still a cylinder.
    """
    faults: dict[str, Any] = {}
    type, issued, expires = (data.get(name) for name in ("type", "issue_date", "expiration_date"))
    if issued and expires and expires <= issued:
        faults["expiration_date"] = ["Must be after issue_date."]
    for name in EYES:
        if eye := drop_zero_cylinder(sent.get(name) or {}):
            if eye_faults := _find_eye_faults(eye, type):
                faults[name] = eye_faults
        elif type == GLASSES:
            faults[name] = ["Required: a glasses prescription has both eyes."]
        elif not any(sent.get(either) for either in EYES):
            faults[name] = ["Required: a prescription has at least one eye."]
    return faults


class PrescriptionSchema(Schema):
    """A prescription that the person already holds; an eye without any value counts as absent."""

    type = String(required=True, validate=one_of(CONTACTS, GLASSES))
    verification = String(load_default=UNVERIFIED, validate=one_of(VERIFIED, UNVERIFIED))
    issue_date = String(validate=check_date)
    expiration_date = String(validate=check_date)
    right_eye = Nested(EyeSchema)
    left_eye = Nested(EyeSchema)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_prescription(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        """Check the fields against each other."""
        if faults := _find_prescription_faults(data, sent):
            raise ValidationError(faults)


class AssetSchema(Schema):
    """A file; its source is bytes already, and needs no decoding."""

    content_type = String(required=True, validate=_MEDIA_TYPE)
    source = Raw(required=True)


class DispensedPrescriptionSchema(Schema):
    """A prescription that a doctor dispenses."""

    type = String(required=True, validate=one_of(CONTACTS, GLASSES))
    issue_date = String(required=True, validate=check_date)
    expiration_date = String(required=True, validate=check_date)
    right_eye = Nested(DispensedEyeSchema)
    left_eye = Nested(DispensedEyeSchema)
    assets = List(Nested(AssetSchema), pre_load=limit_items, load_default=list)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_prescription(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        """Check the fields against each other."""
        faults = _find_prescription_faults(data, sent)
        for name in EYES:
            eye = sent.get(name)
            if data.get("type") == CONTACTS and eye and not eye.get("product_keys"):
                faults.setdefault(name, {})["product_keys"] = ["Required for contacts."]
        if faults:
            raise ValidationError(faults)


def check_assets_size(prescriptions: Iterable[Mapping[str, Any]]) -> None:
    """Raise ValidationError when the assets of all prescriptions together are too large."""
    assets = [asset for each in prescriptions for asset in each.get("assets", ())]
    if sum(len(asset.get("source", b"")) for asset in assets) > MAX_ASSET_BYTES:
        raise ValidationError("Must not have more than 5 MiB of assets together.")

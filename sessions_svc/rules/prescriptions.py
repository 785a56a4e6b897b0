"""What a prescription may say: the one that a person holds, and the one that a doctor dispenses.

Units: dioptres for sphere, cylinder and add; degrees for axis; millimetres for
base_curve, diameter and pupillary_distance. Loaded values keep days as
"YYYY-MM-DD".
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, validates_schema
from marshmallow.fields import Float, Integer, List, Nested, Raw, String
from marshmallow.validate import Length, OneOf, Range, Regexp

GLASSES = "glasses"
CONTACTS = "contacts"
VERIFIED = "verified"
UNVERIFIED = "unverified"

EYES = ("right_eye", "left_eye")
# Fields that have no meaning in the eyes of a prescription of this type.
FOREIGN_TO_DISPENSED = {
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
FOREIGN = {**FOREIGN_TO_DISPENSED, GLASSES: ("product_key", *FOREIGN_TO_DISPENSED[GLASSES])}
MAX_ITEMS = 20  # ours: it keeps a request cheap to check
# Of all prescriptions of a session together. They are the partner's event too, in Base64.
MAX_ASSETS = 5 * 1024 * 1024  # bytes

ONE_OF = "Must be one of: {choices}."
_DIOPTRES = "Must be from {min} to {max} dioptres."
_MILLIMETRES = "Must be from {min} to {max} mm."
_LABEL = Length(1, 200, error="Must be 1 to 200 characters.")
_SOME = Length(min=1, error="Must have at least one item.")
_MEDIA_TYPE = Regexp(
    re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}\Z"),
    error="Must be a media type, such as application/pdf.",
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def real_day(value: str) -> None:
    """Raise for a text that is not a day of the calendar."""
    try:
        if _DATE.fullmatch(value):
            date.fromisoformat(value)
            return
    except ValueError:
        pass
    raise ValidationError("Must be a real date as YYYY-MM-DD.")


def few(items: Any) -> Any:
    """The items as sent; raises when they are too many to look at."""
    if isinstance(items, list) and len(items) > MAX_ITEMS:
        raise ValidationError(f"Must not have more than {MAX_ITEMS} items.")
    return items


class PowersSchema(Schema):
    """One eye of either type; what belongs to which is the prescription's."""

    sphere = Float(validate=Range(-30, 30, error=_DIOPTRES))
    cylinder = Float(validate=Range(-30, 30, error=_DIOPTRES))
    axis = Integer(strict=True, validate=Range(1, 180, error="Must be from 1 to 180 degrees."))
    base_curve = Float(validate=Range(5, 12, error=_MILLIMETRES))
    diameter = Float(validate=Range(8, 20, error=_MILLIMETRES))
    add = Float(validate=Range(0.25, 5, error=_DIOPTRES))
    dominance = String(validate=OneOf(("D", "N"), error="Must be D (dominant) or N."))
    pupillary_distance = Float(validate=Range(20, 50, error=_MILLIMETRES))


class EyeSchema(PowersSchema):
    """One eye of a prescription that the person already holds."""

    product_key = String()


class DispensedEyeSchema(PowersSchema):
    """One eye of a dispensed prescription."""

    product_keys = List(String(validate=_LABEL), pre_load=few)
    brand_label = String(validate=_LABEL)
    model_label = String(validate=_LABEL)
    sphere = Float(required=True, validate=Range(-30, 30, error=_DIOPTRES))


def _eye_faults(eye: Mapping[str, Any], kind: str | None) -> dict[str, list[str]]:
    """What one eye as sent breaks across its fields, in a prescription of this kind."""
    faults = {
        name: [f"Not a field of {kind}."] for name in FOREIGN.get(kind or "", ()) if name in eye
    }
    has_cylinder, has_axis = bool(eye.get("cylinder")), eye.get("axis") is not None
    if has_cylinder and not has_axis:
        faults["axis"] = ["Required with a cylinder."]
    if has_axis and not has_cylinder:
        faults["axis"] = ["Allowed only with a cylinder that is not zero."]
    return faults


def _whole_faults(data: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """What a prescription breaks across its fields.

    Eyes are judged as sent: a cylinder that is out of range is still a cylinder.
    """
    faults: dict[str, Any] = {}
    kind, issued, expires = (data.get(name) for name in ("type", "issue_date", "expiration_date"))
    if issued and expires and expires <= issued:
        faults["expiration_date"] = ["Must be after issue_date."]
    for name in EYES:
        if eye := sent.get(name):
            if found := _eye_faults(eye, kind):
                faults[name] = found
        elif kind == GLASSES:
            faults[name] = ["Required: a glasses prescription has both eyes."]
        elif not any(sent.get(either) for either in EYES):
            faults[name] = ["Required: a prescription has at least one eye."]
    return faults


class PrescriptionSchema(Schema):
    """A prescription that the person already holds; an eye without a value counts as no eye."""

    type = String(required=True, validate=OneOf((CONTACTS, GLASSES), error=ONE_OF))
    verification = String(
        load_default=UNVERIFIED, validate=OneOf((VERIFIED, UNVERIFIED), error=ONE_OF)
    )
    issue_date = String(validate=real_day)
    expiration_date = String(validate=real_day)
    right_eye = Nested(EyeSchema)
    left_eye = Nested(EyeSchema)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _whole(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        if faults := _whole_faults(data, sent):
            raise ValidationError(faults)


class AssetSchema(Schema):
    """A file; its bytes are a message's, so they need no decoding."""

    content_type = String(required=True, validate=_MEDIA_TYPE)
    source = Raw(required=True)


class DispensedPrescriptionSchema(Schema):
    """A prescription that a doctor dispenses."""

    type = String(required=True, validate=OneOf((CONTACTS, GLASSES), error=ONE_OF))
    issue_date = String(required=True, validate=real_day)
    expiration_date = String(required=True, validate=real_day)
    right_eye = Nested(DispensedEyeSchema)
    left_eye = Nested(DispensedEyeSchema)
    assets = List(Nested(AssetSchema), pre_load=few, load_default=list)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _whole(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        faults = _whole_faults(data, sent)
        for name in EYES:
            eye = sent.get(name)
            if data.get("type") == CONTACTS and eye and not eye.get("product_keys"):
                faults.setdefault(name, {})["product_keys"] = ["Required for contacts."]
        if faults:
            raise ValidationError(faults)


def ensure_assets_fit(prescriptions: Iterable[Mapping[str, Any]]) -> None:
    """Raise when the assets of all of them together are too large."""
    assets = [asset for each in prescriptions for asset in each.get("assets", ())]
    if sum(len(asset.get("source", b"")) for asset in assets) > MAX_ASSETS:
        raise ValidationError("Must not have more than 5 MiB of assets together.")

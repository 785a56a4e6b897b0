"""Schemas of VisionPrescription documents as they are read: strict on what we know, no more.

Loaded numbers are decimals. A code or a range that FHIR leaves open is checked here.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, post_load, validates_schema
from marshmallow.fields import Field, List, Nested, Raw, String
from marshmallow.validate import Equal, Length

from optics.fhir import (
    CONTACT,
    EXTENSION_URL,
    EYES,
    LENS,
    PRODUCT_SYSTEM,
    RESOURCE_TYPE,
    STATUSES,
    iterate_objects,
)
from optics.fields import between, filled, one_of, parse_day

MAX_ENTRIES = 20  # of any array: far above what two eyes need
REQUIRED: dict[str, Any] = {"required": "Required."}
_DATE_TIME = re.compile(
    r"([0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?)"
    r"(T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2}))?"
)
_MODIFIERS = ("implicitRules", "modifierExtension")
_UNREADABLE = "Changes the meaning of the rest in a way that is unknown here."


class Number(Field[Decimal]):
    """A finite number; a text or a boolean is none."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise ValidationError("Must be a number.")
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        if not number.is_finite():
            raise ValidationError("Must be a number.")
        return number


class Degrees(Number):
    """An axis; whether 0 is allowed depends on the cylinder."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Decimal:
        number = super()._deserialize(value, attr, data)
        if not 0 <= number <= 180 or number % 1:
            raise ValidationError("Must be a whole number from 1 to 180.")
        return number


class Flag(Field[bool]):
    """True or false; no other value stands for them."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class Text(String):
    """A text, with our word for another value."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own
        "invalid": "Must be a text.",
        "invalid_utf8": "Must be a text.",
        **REQUIRED,
    }


def check_day(text: str) -> None:
    """Raise ValidationError unless the text is a day of the calendar."""
    if parse_day(text) is None:
        raise ValidationError("Must be a day as YYYY-MM-DD.")


def check_date_time(text: str) -> None:
    """Raise ValidationError unless the text is a dateTime: a year, a month, a day or an instant."""
    match = _DATE_TIME.fullmatch(text)
    day = match and (match[1] + "-01-01"[: 10 - len(match[1])] if len(match[1]) < 10 else match[1])
    if not match or parse_day(day or "") is None or (match[2] and len(match[1]) < 10):
        raise ValidationError("Must be a dateTime, such as 2024-02-29.")


_20_TO_50, _HALF_TO_50 = between(20, 50), between(0.5, 50)
LENS_EXTENSIONS: dict[str, tuple[str, Field[Any]]] = {
    "pd": ("valueDecimal", Number(validate=_20_TO_50)),
    "near-pd": ("valueDecimal", Number(validate=_20_TO_50)),
    "seg-height": ("valueDecimal", Number(validate=_HALF_TO_50)),
    "oc-height": ("valueDecimal", Number(validate=_HALF_TO_50)),
    "balance": ("valueBoolean", Flag()),
    "model-label": ("valueString", Text(validate=filled(200))),
}
ROOT_EXTENSIONS: dict[str, tuple[str, Field[Any]]] = {
    "binocular-pd": ("valueDecimal", Number(validate=between(40, 100))),
    "dominant-eye": ("valueCode", Text(validate=one_of(*EYES))),
    "verification": ("valueCode", Text(validate=one_of("verified", "unverified"))),
    "expiration-date": ("valueDate", Text(validate=check_day)),
}


class Extensions(Field[dict[str, Any]]):
    """An array of extensions, loaded as the values of ours by name; others are passed over."""

    def __init__(self, ours: Mapping[str, tuple[str, Field[Any]]]) -> None:
        super().__init__(load_default=dict)
        self.ours = ours

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> dict[str, Any]:
        if not isinstance(value, list):
            raise ValidationError("Must be an array.")
        values: dict[str, Any] = {}
        faults: dict[int, Any] = {}
        for index, entry in iterate_objects(value):
            name = get_our_name(entry)
            if name in values:
                faults[index] = ["Must not repeat an extension."]
            elif name in self.ours:
                key, field = self.ours[name]
                try:
                    if key not in entry:
                        raise ValidationError("Required.")
                    values[name] = field.deserialize(entry[key])
                except ValidationError as error:
                    faults[index] = {key: error.messages}
        if faults:
            raise ValidationError(faults)
        return values


def get_our_name(extension: Mapping[str, Any]) -> str:
    """Return the name of an extension of ours; empty for another's."""
    url = extension.get("url")
    ours = isinstance(url, str) and url.startswith(EXTENSION_URL)
    return str(url).removeprefix(EXTENSION_URL) if ours else ""


class PartSchema(Schema):
    """A part of a document, whose unknown elements are passed over."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {  # noqa: RUF012 - marshmallow's own
        "type": "Must be an object."
    }

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_modifiers(self, data: Any, sent: Any, **_: Any) -> None:
        """Refuse what must not be passed over, as FHIR demands of a reader."""
        if not isinstance(sent, Mapping):
            return
        if faults := {name: [_UNREADABLE] for name in _MODIFIERS if sent.get(name)}:
            raise ValidationError(faults)


def _list_of(schema: type[Schema], least: int = 0) -> List[Any]:
    message = f"Must have {least} to {MAX_ENTRIES} entries."
    return List(
        Nested(schema),
        required=bool(least),
        validate=Length(least, MAX_ENTRIES, error=message),
        error_messages={"invalid": "Must be an array.", **REQUIRED},
    )


class CodingSchema(PartSchema):
    """One code of a product."""

    system = Text()
    code = Text()


class ProductSchema(PartSchema):
    """What the lens is, in codes of several systems."""

    coding = _list_of(CodingSchema)


class PrismSchema(PartSchema):
    """A prism along one direction; an amount of 0 is none."""

    amount = Number(required=True, validate=between(0, 50), error_messages=REQUIRED)
    base = Text(required=True, validate=one_of("in", "out", "up", "down"))


class LensSpecificationSchema(PartSchema):
    """A lens for one eye; loaded with its `kind`, lens or contact."""

    product = Nested(ProductSchema, required=True, error_messages=REQUIRED)
    eye = Text(required=True, validate=one_of(*EYES))
    sphere = Number(validate=between(-30, 30))
    power = Number(validate=between(-30, 30))
    cylinder = Number(validate=between(-30, 30))
    axis = Degrees()
    add = Number(validate=between(0.25, 5))
    prism = _list_of(PrismSchema)
    backCurve = Number()
    diameter = Number()
    brand = Text(validate=filled(200))
    note = Raw()
    extension = Extensions(LENS_EXTENSIONS)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_lens(self, data: dict[str, Any], sent: Any, **_: Any) -> None:
        """Check the elements against each other."""
        if not isinstance(sent, Mapping):
            return
        faults = _find_axis_faults(data, sent)
        kind = find_kind(data)
        if kind == LENS:
            faults |= _find_glasses_faults(data)
        elif kind == CONTACT:
            faults |= _find_contact_faults(data)
        elif isinstance(sent.get("product"), Mapping) and "eye" in data:
            faults["product"] = ["Must say lens or contact."]
        if faults:
            raise ValidationError(faults)

    @post_load
    def _add_kind(self, lens: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**lens, "kind": find_kind(lens)}


def find_kind(lens: Mapping[str, Any]) -> str | None:
    """Return what a lens is: by its code, else by its elements; None when neither tells."""
    codings = (lens.get("product") or {}).get("coding", ())
    codes = {
        each.get("code") for each in codings if each.get("system", PRODUCT_SYSTEM) == PRODUCT_SYSTEM
    }
    if named := codes & {LENS, CONTACT}:
        return str(named.pop()) if len(named) == 1 else None
    if lens.keys() & {"power", "backCurve", "diameter"}:
        return CONTACT
    return LENS if "sphere" in lens or (lens.get("extension") or {}).get("balance") else None


def _find_axis_faults(lens: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the faults of an axis without a cylinder, and the other way round."""
    if "cylinder" not in sent:
        return {"axis": ["Only with a cylinder."]} if "axis" in sent else {}
    if lens.get("cylinder") and "axis" not in sent:
        return {"axis": ["Required with a cylinder."]}
    if lens.get("cylinder") and lens.get("axis") == 0:
        return {"axis": ["Must be from 1 to 180: 0 may be a missing axis."]}
    return {}


def _find_glasses_faults(lens: Mapping[str, Any]) -> dict[str, Any]:
    faults = {}
    if "power" in lens:
        faults["power"] = ["Only of a contact lens; a lens of glasses has a sphere."]
    if lens.get("extension", {}).get("balance"):
        named = lens.keys() & {"sphere", "cylinder", "add", "prism"}
        faults |= {name: ["A balance lens has no power."] for name in named}
    return faults


def _find_contact_faults(lens: Mapping[str, Any]) -> dict[str, Any]:
    faults = {}
    if "power" in lens and lens.get("sphere", lens["power"]) != lens["power"]:
        faults["sphere"] = ["Must equal power, or be absent."]
    for name, low, high in (("backCurve", 5, 12), ("diameter", 8, 20)):
        if name in lens and not low <= lens[name] <= high:
            faults[name] = [f"Must be from {low} to {high} mm."]
    return faults


class VisionPrescriptionSchema(PartSchema):
    """The document; only what a reader of ours needs is required."""

    resourceType = Text(
        required=True, validate=Equal(RESOURCE_TYPE, error="Must be VisionPrescription.")
    )
    status = Text(required=True, validate=one_of(*STATUSES))
    dateWritten = Text(validate=check_date_time)
    extension = Extensions(ROOT_EXTENSIONS)
    lensSpecification = _list_of(LensSpecificationSchema, 1)

    @validates_schema(skip_on_field_errors=False)
    def check_status(self, data: Mapping[str, Any], **_: Any) -> None:
        """Refuse a prescription that is withdrawn."""
        if data.get("status") in ("cancelled", "entered-in-error"):
            raise ValidationError({"status": [f"A prescription that is {data['status']} is void."]})


VISION_PRESCRIPTION = VisionPrescriptionSchema()

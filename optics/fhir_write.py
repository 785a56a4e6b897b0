"""VisionPrescription documents, made from orders and dispensed prescriptions.

Values are those of valid records. Numbers become decimals: powers with at least two places,
millimetres with as many as they have.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from optics.fhir import (
    CONTACT,
    DATA_ABSENT_REASON,
    EXTENSION_URL,
    EYES,
    LENS,
    MEASURES,
    ORDER_IDS,
    PRESCRIPTION_IDS,
    PRODUCT_KEYS,
    PRODUCT_SYSTEM,
    RESOURCE_TYPE,
    compose_note,
    to_decimal,
)

Values = Mapping[str, Any]
Document = dict[str, Any]

_CONTACTS = "contacts"
_DOMINANT = "D"
_PRISMS = ("horizontal_prism", "vertical_prism")
_CODE = re.compile(r"\S+( \S+)*")  # of FHIR; a key that is none cannot be said
_OTHER_EYE = {"right": "left", "left": "right"}
_VALUES = {  # of extensions that hold no decimal
    "balance": "valueBoolean",
    "model-label": "valueString",
    "dominant-eye": "valueCode",
    "verification": "valueCode",
    "expiration-date": "valueDate",
}
_ABSENT: Document = {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]}


class Context(NamedTuple):
    """What a document says beside the lenses; what is None is not known.

    `created` and `date_written` are texts as FHIR has them; `patient` and `prescriber` are
    References.
    """

    status: str = "active"
    identifier: str | None = None
    created: str | None = None
    patient: Values | None = None
    date_written: str | None = None
    prescriber: Values | None = None


def write_order_rx(rx: Values, context: Context) -> Document:
    """Return the `rx` of an order, which has at least one eye, as a document."""
    lenses = [_write_glasses(rx[EYES[eye]], eye, {}) for eye in EYES if rx.get(EYES[eye])]
    return _write_document(context, ORDER_IDS, {}, lenses)


def write_prescription(prescription: Values, context: Context) -> Document:
    """Return a dispensed prescription as a document.

    Its `id` and `issue_date` take precedence over those of the context.
    """
    root = _find_root_values(prescription)
    write = _write_contact if prescription["type"] == _CONTACTS else _write_glasses
    lenses = [
        write(prescription[EYES[eye]], eye, root) for eye in EYES if prescription.get(EYES[eye])
    ]
    if (key := prescription.get("id")) is not None:
        context = context._replace(identifier=str(key))
    if issued := prescription.get("issue_date"):
        context = context._replace(date_written=issued)
    return _write_document(context, PRESCRIPTION_IDS, root, lenses)


def _find_root_values(prescription: Values) -> Document:
    """Return what is said of the whole prescription, by the names of the extensions."""
    root = {"dominant-eye": _find_dominant_eye(prescription)}
    for name in ("verification", "expiration_date"):
        root[name.replace("_", "-")] = prescription.get(name)
    return {name: value for name, value in root.items() if value}


def _find_dominant_eye(prescription: Values) -> str | None:
    """Return the eye that the dominances name; None where they name none, or both."""
    named = {
        eye if dominance == _DOMINANT else _OTHER_EYE[eye]
        for eye in EYES
        if (dominance := (prescription.get(EYES[eye]) or {}).get("dominance"))
    }
    return named.pop() if len(named) == 1 else None


def _write_document(
    context: Context, id_system: str, root: Values, lenses: Iterable[Document]
) -> Document:
    document: Document = {"resourceType": RESOURCE_TYPE}
    if root:
        document["extension"] = _write_extensions(root)
    if context.identifier is not None:
        document["identifier"] = [{"system": id_system, "value": context.identifier}]
    return document | {
        "status": context.status,
        **_write_instant("created", context.created),
        "patient": context.patient or _ABSENT,
        **_write_instant("dateWritten", context.date_written),
        "prescriber": context.prescriber or _ABSENT,
        "lensSpecification": list(lenses),
    }


def _write_instant(name: str, value: str | None) -> Document:
    return {name: value} if value else {f"_{name}": _ABSENT}


def _write_extensions(values: Values) -> list[Document]:
    return [
        {"url": EXTENSION_URL + name, _VALUES.get(name, "valueDecimal"): value}
        for name, value in values.items()
    ]


def _write_glasses(eye: Values, side: str, root: Values) -> Document:
    """Return a lens of glasses, of an order or a dispensed prescription."""
    values = {**eye, "pd": eye.get("pd", eye.get("pupillary_distance"))}
    own: Document = {"balance": True} if eye.get("balance") else {}
    for name, field, _ in MEASURES:
        if values.get(field) is not None:
            own[name] = to_decimal(values[field])
    powers: Document = {}
    if eye.get("sphere") is not None and not eye.get("balance"):
        powers["sphere"] = to_decimal(eye["sphere"], 2)
    powers |= _write_cylinder(eye)
    if prisms := [_write_prism(eye[name]) for name in _PRISMS if eye.get(name)]:
        powers["prism"] = prisms
    return _write_lens(LENS, (), side, (own, root), powers | _write_add(eye))


def _write_contact(eye: Values, side: str, root: Values) -> Document:
    """Return a contact lens of a dispensed prescription."""
    own = {"model-label": eye["model_label"]} if eye.get("model_label") else {}
    values: Document = _write_cylinder(eye) | _write_add(eye)
    if eye.get("sphere") is not None:
        values["power"] = to_decimal(eye["sphere"], 2)
    for name, field in (("backCurve", "base_curve"), ("diameter", "diameter")):
        if eye.get(field) is not None:
            values[name] = to_decimal(eye[field])
    if eye.get("brand_label"):
        values["brand"] = eye["brand_label"]
    return _write_lens(CONTACT, eye.get("product_keys") or (), side, (own, root), values)


def _write_lens(
    product: str,
    keys: Iterable[str],
    side: str,
    extensions: tuple[Values, Values],
    values: Values,
) -> Document:
    """Return a lens with its own extensions, and a note of what these and the root's say."""
    own, root = extensions
    coding = [{"system": PRODUCT_SYSTEM, "code": product}]
    coding += [{"system": PRODUCT_KEYS, "code": key} for key in keys if _CODE.fullmatch(key)]
    lens: Document = {"extension": _write_extensions(own)} if own else {}
    lens |= {"product": {"coding": coding}, "eye": side, **values}
    if note := compose_note(own, root, side):
        lens["note"] = [{"text": note}]
    return lens


def _write_cylinder(eye: Values) -> Document:
    """Return cylinder and axis; an axis of 0 is 180, and a cylinder of 0 has none."""
    if eye.get("cylinder") is None:
        return {}
    cylinder = to_decimal(eye["cylinder"], 2)
    axis = eye.get("axis")
    if not cylinder or axis is None:
        return {"cylinder": cylinder}
    return {"cylinder": cylinder, "axis": int(axis) or 180}


def _write_add(eye: Values) -> Document:
    return {} if eye.get("add") is None else {"add": to_decimal(eye["add"], 2)}


def _write_prism(prism: Values) -> Document:
    return {"amount": to_decimal(prism["power"], 2), "base": prism["direction"]}

"""Orders' rx, dispensed prescriptions and cart items, read from VisionPrescription documents.

Each reader returns the value and what it does not carry. Faults are marshmallow's
ValidationError, nested by path.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from marshmallow import ValidationError

from optics.fhir import CONTACT, EYES, PRODUCT_KEYS, Remark, iterate_objects, to_decimal
from optics.fhir_losses import (
    CART_ITEMS,
    CONTACTS,
    GLASSES,
    ORDER_RX,
    PRESCRIBED_ITEMS,
    Target,
    find_not_carried,
    is_our_identifier,
    limit_remarks,
)
from optics.fhir_shapes import VISION_PRESCRIPTION

CONTACT_LENS = "contact_lens_subscription"
DAY_LENGTH = len("YYYY-MM-DD")
_AXES = (("horizontal_prism", "in", "out"), ("vertical_prism", "up", "down"))


class Reading(NamedTuple):
    """What was read: an rx, a prescription or a list of items; and what it has no place for."""

    value: Any
    not_carried: list[Remark]


def read_order_rx(document: Mapping[str, Any]) -> Reading:
    """Return the `rx` block of an order, from the glasses of a document.

    An eye without a sphere has none in the block, which an order refuses: 0 is not assumed.
    """
    loaded = _load(document, ORDER_RX)
    remarks = list(find_not_carried(document, loaded, ORDER_RX))
    rx = {}
    for path, lens in loaded["lenses"]:
        own = lens["extension"]
        eye = _read_powers(lens) | ({"balance": True} if own.get("balance") else {})
        if "sphere" not in eye and "balance" not in eye:
            remarks.append(Remark(f"{path}.sphere", "Is absent, which is not read as 0."))
        eye |= _read_prisms(lens, path, remarks)
        for name in ("pd", "near-pd", "seg-height", "oc-height"):
            if name in own:
                eye[name.replace("-", "_")] = float(own[name])
        rx[EYES[lens["eye"]]] = eye
    return Reading(rx, limit_remarks(remarks))


def read_prescription(document: Mapping[str, Any]) -> Reading:
    """Return a prescription as doctors dispense it, from a document of one kind of lenses."""
    is_contacts = any(
        each.get("kind") == CONTACT
        for each in VISION_PRESCRIPTION.load(document)["lensSpecification"]
    )
    target = CONTACTS if is_contacts else GLASSES
    loaded = _load(document, target)
    _refuse_other_kinds(loaded, target)
    remarks = list(find_not_carried(document, loaded, target))
    prescription: dict[str, Any] = {"type": "contacts" if is_contacts else "glasses"}
    prescription |= _read_root(document, loaded, remarks)
    dominant = loaded["extension"].get("dominant-eye") if is_contacts else None
    for path, lens in loaded["lenses"]:
        eye = _read_powers(lens)
        if "sphere" not in eye:
            remarks.append(Remark(f"{path}.sphere", "Is absent, which is not read as 0."))
        if is_contacts:
            eye |= _read_contact(lens)
            if dominant:
                eye["dominance"] = "D" if dominant == lens["eye"] else "N"
        elif "pd" in lens["extension"]:
            eye["pupillary_distance"] = float(lens["extension"]["pd"])
        prescription[EYES[lens["eye"]]] = eye
    return Reading(prescription, limit_remarks(remarks))


def read_cart_items(document: Mapping[str, Any]) -> Reading:
    """Return items of a cart, one for each eye that has a contact lens.

    The caller adds price and boxes. The powers stand in the name, which is for people, and, where
    the document says when it was written, in the item's prescription.
    """
    loaded = _load(document, CART_ITEMS)
    is_dated = len(loaded.get("dateWritten", "")) >= DAY_LENGTH
    target = PRESCRIBED_ITEMS if is_dated else CART_ITEMS
    remarks = list(find_not_carried(document, loaded, target))
    days = _read_root({}, loaded, remarks) if is_dated else {}
    items = []
    for path, lens in loaded["lenses"]:
        item: dict[str, Any] = {"type": CONTACT_LENS, "name": _compose_name(lens), "quantity": 1}
        keys = _read_product_keys(lens)
        if len(keys) == 1:
            item["reference"] = keys[0]
        elif keys:
            remarks.append(Remark(f"{path}.product", "Names several products; none is chosen."))
        item["product_data"] = {"eye": lens["eye"]}
        if is_dated:
            prescription = _read_item_prescription(lens, days)
            if "sphere" in prescription:
                item["prescription"] = prescription
            else:
                message = "Is absent, so that the item has no prescription."
                remarks.append(Remark(f"{path}.power", message))
        items.append(item)
    return Reading(items, limit_remarks(remarks))


def _read_item_prescription(lens: Mapping[str, Any], days: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prescription of a cart item: powers, measures and days."""
    kept = {name: days[name] for name in ("issue_date", "expiration_date") if name in days}
    powers = _read_powers(lens)
    if not powers.get("cylinder"):
        powers.pop("cylinder", None)
    contact = _read_contact(lens)
    measures = {name: contact[name] for name in ("base_curve", "diameter") if name in contact}
    return powers | measures | kept


def _load(document: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Return a valid document, with `lenses`: the target's ones, each with its path."""
    loaded: dict[str, Any] = VISION_PRESCRIPTION.load(document)
    lenses = [
        (index, lens)
        for index, lens in enumerate(loaded["lensSpecification"])
        if lens["kind"] in target.kinds
    ]
    if not lenses:
        wanted = "contact lens" if CONTACT in target.kinds else "lens of glasses"
        raise ValidationError({"lensSpecification": [f"Must have a {wanted}."]})
    first: dict[str, int] = {}
    faults = {
        index: {"eye": [f"The {lens['eye']} eye has a lens already; send the one that is meant."]}
        for index, lens in lenses
        if first.setdefault(lens["eye"], index) != index
    }
    if faults:
        raise ValidationError({"lensSpecification": faults})
    return {**loaded, "lenses": [(f"lensSpecification.{index}", lens) for index, lens in lenses]}


def _refuse_other_kinds(loaded: Mapping[str, Any], target: Target) -> None:
    faults = {
        index: {"product": ["Must not mix glasses and contact lenses."]}
        for index, lens in enumerate(loaded["lensSpecification"])
        if lens["kind"] not in target.kinds
    }
    if faults:
        raise ValidationError({"lensSpecification": faults})


def _read_powers(lens: Mapping[str, Any]) -> dict[str, Any]:
    """Return sphere, cylinder, axis and add; a cylinder of 0 has no axis."""
    powers: dict[str, Any] = {}
    sphere = lens.get("power", lens.get("sphere"))
    for name, value in (
        ("sphere", sphere),
        ("cylinder", lens.get("cylinder")),
        ("add", lens.get("add")),
    ):
        if value is not None:
            powers[name] = float(value)
    if powers.get("cylinder"):
        powers["axis"] = int(lens["axis"])
    return powers


def _read_contact(lens: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only an eye of contacts has."""
    eye: dict[str, Any] = {}
    for name, field in (("backCurve", "base_curve"), ("diameter", "diameter")):
        if name in lens:
            eye[field] = float(lens[name])
    if keys := _read_product_keys(lens):
        eye["product_keys"] = keys
    if "brand" in lens:
        eye["brand_label"] = lens["brand"]
    if "model-label" in lens["extension"]:
        eye["model_label"] = lens["extension"]["model-label"]
    return eye


def _read_product_keys(lens: Mapping[str, Any]) -> list[str]:
    codings = lens["product"].get("coding", ())
    return [
        each["code"] for each in codings if each.get("system") == PRODUCT_KEYS and "code" in each
    ]


def _read_prisms(lens: Mapping[str, Any], path: str, remarks: list[Remark]) -> dict[str, Any]:
    """Return at most one prism along each axis: entries are added, opposite bases netted."""
    prisms: dict[str, Any] = {}
    for name, plus, minus in _AXES:
        entries = [each for each in lens.get("prism", ()) if each["base"] in (plus, minus)]
        total = sum(
            (p["amount"] if p["base"] == plus else -p["amount"] for p in entries), Decimal()
        )
        if abs(total) > 50:
            faults = {"prism": [f"Must be at most 50 {plus} or {minus} together."]}
            raise ValidationError({"lensSpecification": {int(path.rpartition(".")[2]): faults}})
        base = plus if total > 0 else minus
        if total:
            prisms[name] = {"power": float(abs(total)), "direction": base}
        if sum(1 for each in entries if each["amount"]) > 1:
            sent = ", ".join(_name_prism(each["base"], each["amount"]) for each in entries)
            net = _name_prism(base, abs(total)) if total else "none"
            remarks.append(Remark(f"{path}.prism", f"Base {sent} became one prism: {net}."))
    return prisms


def _name_prism(base: str, amount: Decimal) -> str:
    return f"{base} {to_decimal(float(amount), 2):f}"


def _read_root(
    document: Mapping[str, Any], loaded: Mapping[str, Any], remarks: list[Remark]
) -> dict[str, Any]:
    """Return id, days and verification of a prescription."""
    root: dict[str, Any] = {}
    for _, each in iterate_objects(document.get("identifier")):
        value = each.get("value")
        if is_our_identifier(each):
            root["id"] = int(value or 0)
    written = loaded.get("dateWritten", "")
    if len(written) >= DAY_LENGTH:
        root["issue_date"] = written[:DAY_LENGTH]
    if written and len(written) != DAY_LENGTH:
        is_longer = len(written) > DAY_LENGTH
        message = "Only the day is kept." if is_longer else "Is no day, and left out."
        remarks.append(Remark("dateWritten", message))
    for name in ("expiration-date", "verification"):
        if name in loaded["extension"]:
            root[name.replace("-", "_")] = loaded["extension"][name]
    return root


def _compose_name(lens: Mapping[str, Any]) -> str:
    """Return brand, powers and measures of a contact lens, as on its box."""
    words = [lens.get("brand", "Contact lens")]
    powers = _read_powers(lens)
    text = f"{powers['sphere']:+.2f}" if "sphere" in powers else ""
    if powers.get("cylinder"):
        text += f" {powers['cylinder']:+.2f} x {powers['axis']}"
    words.append(text.strip())
    if "add" in powers:
        words.append(f"add {powers['add']:+.2f}")
    for name, label in (("backCurve", "BC"), ("diameter", "DIA")):
        if name in lens:
            words.append(f"{label} {float(lens[name]):g}")
    return ", ".join(filter(None, words))

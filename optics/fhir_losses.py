"""What the readers of documents have no place for: each element by its path."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from optics.fhir import (
    CONTACT,
    DATA_ABSENT_REASON,
    LENS,
    PRESCRIPTION_IDS,
    PRODUCT_KEYS,
    PRODUCT_SYSTEM,
    Remark,
    compose_note,
    iterate_objects,
)
from optics.fhir_shapes import get_our_name

MAX_REMARKS = 100


class Target(NamedTuple):
    """What a reader carries: the elements and our extensions, of the document and of a lens."""

    kinds: frozenset[str]
    missing: str
    root: frozenset[str]
    root_extensions: frozenset[str]
    lens: frozenset[str]
    lens_extensions: frozenset[str]


_ALWAYS = frozenset({"resourceType", "status", "lensSpecification", "extension"})
_POWERS = frozenset({"eye", "product", "extension", "note", "cylinder", "axis", "add"})
ORDER_RX = Target(
    frozenset({LENS}),
    "The rx of an order has no place for it.",
    _ALWAYS,
    frozenset(),
    _POWERS | {"sphere", "prism"},
    frozenset({"pd", "near-pd", "seg-height", "oc-height", "balance"}),
)
GLASSES = Target(
    frozenset({LENS}),
    "A dispensed prescription of glasses has no place for it.",
    _ALWAYS | {"dateWritten", "identifier"},
    frozenset({"expiration-date", "verification"}),
    _POWERS | {"sphere"},
    frozenset({"pd"}),
)
CONTACTS = Target(
    frozenset({CONTACT}),
    "A dispensed prescription of contacts has no place for it.",
    GLASSES.root,
    GLASSES.root_extensions | {"dominant-eye"},
    _POWERS | {"power", "sphere", "backCurve", "diameter", "brand"},
    frozenset({"model-label"}),
)
CART_ITEMS = Target(
    frozenset({CONTACT}),
    "A cart item has no place for it.",
    _ALWAYS,
    frozenset(),
    frozenset({"eye", "product", "extension", "note", "brand"}),
    frozenset(),
)
# The same of a document that says when it was written: its items have a prescription.
PRESCRIBED_ITEMS = CART_ITEMS._replace(
    root=CART_ITEMS.root | {"dateWritten"},
    root_extensions=frozenset({"expiration-date"}),
    lens=CONTACTS.lens,
)
# What a cart item has no field for, yet says in its name.
_IN_NAME = frozenset({"power", "sphere", "cylinder", "axis", "add", "backCurve", "diameter"})


def is_our_identifier(identifier: Mapping[str, Any]) -> bool:
    """Whether an identifier is the id of a dispensed prescription."""
    value = identifier.get("value")
    return (
        identifier.get("system") == PRESCRIPTION_IDS
        and isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) < 19
    )


def find_not_carried(
    document: Mapping[str, Any], loaded: Mapping[str, Any], target: Target
) -> Iterator[Remark]:
    """Yield a remark for each element of a valid document that the target has no place for."""
    if loaded["status"] == "draft":
        yield Remark("status", "The prescription is a draft.")
    for name, value in document.items():
        if name not in target.root and not _is_absent(value):
            yield Remark(name, target.missing)
    kept = document.get("identifier", []) if "identifier" in target.root else []
    for index, each in enumerate(kept if isinstance(kept, list) else [kept]):
        if not isinstance(each, Mapping) or not is_our_identifier(each):
            yield Remark(f"identifier.{index}", target.missing)
    yield from _find_extensions(document, "", target.root_extensions, target)
    for index, lens in iterate_objects(document["lensSpecification"]):
        path = f"lensSpecification.{index}"
        if loaded["lensSpecification"][index]["kind"] in target.kinds:
            yield from _find_in_lens(lens, path, loaded, target)
        else:
            yield Remark(path, target.missing)


def _find_in_lens(
    lens: Mapping[str, Any], path: str, loaded: Mapping[str, Any], target: Target
) -> Iterator[Remark]:
    for name, value in lens.items():
        if target is CART_ITEMS and name in _IN_NAME:
            yield Remark(f"{path}.{name}", "Stands in the item's name alone.")
        elif target in (CONTACTS, PRESCRIBED_ITEMS) and name == "sphere":
            if "power" not in lens:
                yield Remark(f"{path}.{name}", "Was read as the power of a contact lens.")
        elif name not in target.lens and not _is_absent(value):
            yield Remark(f"{path}.{name}", target.missing)
    yield from _find_extensions(lens, f"{path}.", target.lens_extensions, target)
    yield from _find_in_parts(lens, path, target)
    own = loaded["lensSpecification"][int(path.rpartition(".")[2])]
    our_note = {"text": compose_note(own["extension"], loaded["extension"], own["eye"])}
    notes = lens.get("note", [])
    for index, note in enumerate(notes if isinstance(notes, list) else [notes]):
        if note != our_note:
            yield Remark(f"{path}.note.{index}", target.missing)


def _find_in_parts(lens: Mapping[str, Any], path: str, target: Target) -> Iterator[Remark]:
    """Yield a remark for what is not carried of the product and the prisms of a lens."""
    parts = [("product", lens["product"], {"coding"})]
    if "prism" in target.lens:
        entries = iterate_objects(lens.get("prism"))
        parts += [(f"prism.{index}", each, {"amount", "base"}) for index, each in entries]
    for part, element, ours in parts:
        for name in element:
            if name not in ours:
                yield Remark(f"{path}.{part}.{name}", target.missing)
    for index, coding in iterate_objects(lens["product"].get("coding")):
        system, code = coding.get("system", PRODUCT_SYSTEM), coding.get("code")
        is_kind = system == PRODUCT_SYSTEM and code in (LENS, CONTACT)
        is_key = system == PRODUCT_KEYS and CONTACT in target.kinds
        if not is_kind and not is_key:
            yield Remark(f"{path}.product.coding.{index}", target.missing)


def _find_extensions(
    element: Mapping[str, Any], path: str, carried: frozenset[str], target: Target
) -> Iterator[Remark]:
    for index, each in iterate_objects(element.get("extension")):
        name = get_our_name(each)
        if name == "binocular-pd":
            yield Remark(f"{path}extension.{index}", "A binocular PD is not halved.")
        elif name not in carried and not _is_absent({"extension": [each]}):
            yield Remark(f"{path}extension.{index}", target.missing)


def _is_absent(value: Any) -> bool:
    """Whether an element says only that something is absent."""
    if not isinstance(value, Mapping) or value.keys() != {"extension"}:
        return False
    entries = value["extension"]
    return isinstance(entries, list) and all(
        isinstance(each, Mapping) and each.get("url") == DATA_ABSENT_REASON for each in entries
    )


def limit_remarks(remarks: list[Remark]) -> list[Remark]:
    """Return the remarks, cut where nobody would read on."""
    if len(remarks) <= MAX_REMARKS:
        return remarks
    return [
        *remarks[:MAX_REMARKS],
        Remark("", f"{len(remarks) - MAX_REMARKS} more are not listed."),
    ]

"""Terms of FHIR VisionPrescription (R4, R4B and R5 have the same elements), and our extensions.

`fhir_write` makes documents from our prescriptions, `fhir_read` the other way round;
docs/reference/fhir.md has the table of both.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from marshmallow import ValidationError

RESOURCE_TYPE = "VisionPrescription"
STATUSES = ("active", "cancelled", "draft", "entered-in-error")
EYES = {"right": "right_eye", "left": "left_eye"}  # by the code of FHIR
LENS, CONTACT = "lens", "contact"
PRODUCT_SYSTEM = "http://terminology.hl7.org/CodeSystem/ex-visionprescriptionproduct"
DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

# The one place of everything that FHIR has no element for. It names, and is not called up.
OUR_URL = "https://optigate.example/fhir"
EXTENSION_URL = f"{OUR_URL}/StructureDefinition/"
PRODUCT_KEYS = f"{OUR_URL}/CodeSystem/product-keys"
ORDER_IDS = f"{OUR_URL}/NamingSystem/order-ids"
PRESCRIPTION_IDS = f"{OUR_URL}/NamingSystem/prescription-ids"

# Of a lens, in the order of the note: extension, our field, its words and unit there.
MEASURES = (
    ("pd", "pd", "PD {} mm"),
    ("near-pd", "near_pd", "near PD {} mm"),
    ("seg-height", "seg_height", "segment height {} mm"),
    ("oc-height", "oc_height", "optical center height {} mm"),
)


class Remark(NamedTuple):
    """What a reader of a document is told: an element by its path, and what became of it."""

    path: str
    message: str


def to_decimal(value: float, places: int = 0) -> Decimal:
    """Return a number to four decimals without binary dust, written with at least `places`."""
    number = (Decimal(str(round(value, 4))) + 0).normalize()
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # it is finite
    return number.quantize(Decimal(1).scaleb(min(exponent, -places)))


def compose_note(lens: Mapping[str, Any], root: Mapping[str, Any], eye: str) -> str:
    """Return in words what the extensions of a lens and of its document say; empty for nothing.

    Both are by the names of the extensions; `eye` is right or left.
    """
    words = ["balance lens"] if lens.get("balance") else []
    words += [
        text.format(_name_number(lens[name]))
        for name, _, text in MEASURES
        if lens.get(name) is not None
    ]
    if "model-label" in lens:
        words.append(f"model {lens['model-label']}")
    if "binocular-pd" in root:
        words.append(f"binocular PD {_name_number(root['binocular-pd'])} mm")
    if root.get("dominant-eye") == eye:
        words.append("dominant eye")
    if "verification" in root:
        words.append(root["verification"])
    if "expiration-date" in root:
        words.append(f"expires {root['expiration-date']}")
    return "; ".join(words)


def _name_number(number: Decimal) -> str:
    """Return a number as the note has it, however many zeros a document ends it with."""
    return f"{to_decimal(float(number)):f}"


def to_json(value: Any) -> str:
    """Return the text of a document; decimals keep their digits, which FHIR counts as precision."""
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{json.dumps(k)}:{to_json(each)}' for k, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(to_json, value))}]"
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def parse_json(text: str) -> dict[str, Any]:
    """Return a document with its numbers as decimals; raises ValidationError for other text.

    Null counts as absent.
    """
    try:
        document = _DECODER.decode(text)
        if "\\ud" in text.lower():  # half of a pair is no character, and cannot be sent on
            json.dumps(document, ensure_ascii=False, default=str).encode()
    except (ValueError, ArithmeticError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ValidationError("Must be a JSON object without duplicate keys.")
    return document


def _drop_nulls(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError
    return {name: value for name, value in pairs if value is not None}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError


_DECODER = json.JSONDecoder(
    object_pairs_hook=_drop_nulls,
    parse_int=Decimal,
    parse_float=Decimal,
    parse_constant=_refuse_constant,
)


def iterate_objects(value: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of an array with their places in it; nothing of another value."""
    if isinstance(value, list):
        yield from ((i, each) for i, each in enumerate(value) if isinstance(each, Mapping))

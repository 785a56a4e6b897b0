"""An order as opticians read it: rows of fields with their notes, in words and signs of the trade.

A note is a fault or a warning; it stands beside the field that its path names, or beside the
nearest that is shown.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from google.protobuf.message import Message

from protos.orders_pb2 import Review, ReviewedEye

NOTHING = "\u2013"
STATES = {
    "draft": ("Draft", "warn"),
    "submitted": ("Submitted", "good"),
    "in_progress": ("In progress", "good"),
    "on_hold": ("On hold", "warn"),
    "shipped": ("Shipped", "good"),
    "cancelled": ("Cancelled", "bad"),
}
SUBMISSIONS = {"new": "New", "redo": "Redo", "multi_pair": "Multiple pair"}
BASES = {"in": "BI", "out": "BO", "up": "BU", "down": "BD"}
EYES = {"right_eye": ("OD", "right"), "left_eye": ("OS", "left")}


_PRISMS = re.compile(r"\.(horizontal|vertical)_prism")


class Note(NamedTuple):
    """A fault (bad) or a warning (warn) of a field."""

    kind: str
    label: str
    text: str
    path: str


@dataclass
class Cell:
    """A field: where it is in the order, what it is called, what it says."""

    path: str
    label: str
    text: str
    notes: list[Note] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its anchor in the page."""
        return anchor(self.path)


@dataclass
class Section:
    """Some fields under a heading."""

    path: str
    title: str
    cells: list[Cell]


@dataclass
class Eye:
    """A row of the prescription, and what it comes to."""

    path: str
    short: str
    word: str
    cells: list[Cell]
    also: list[tuple[str, str]]

    @property
    def id(self) -> str:
        """Its anchor in the page."""
        return anchor(self.path)

    @property
    def notes(self) -> list[Note]:
        """The notes of its fields."""
        return [note for cell in self.cells for note in cell.notes]


class Sheet:
    """A review as the page shows it."""

    def __init__(self, review: Review, faults: Iterable[tuple[str, str]] = ()) -> None:
        order = review.order
        self.order = order
        self.patient = f"{order.patient.first_name} {order.patient.last_name}"
        self.lab_name = review.lab_name
        self.state, self.kind = STATES.get(order.lab_status, (order.lab_status, ""))
        self.is_draft = order.lab_status == "draft"
        self.svg = review.outline_svg
        self.eyes = list(_eyes(review))
        self.sections = [each for each in _sections(review) if each.cells]
        self.faults = self._place("bad", faults)
        self.warnings = self._place("warn", ((w.param, w.message) for w in order.warnings))

    def _place(self, kind: str, notes: Iterable[tuple[str, str]]) -> list[Note]:
        """Put each note beside its field, and give all of them."""
        cells = {cell.path: cell for cell in self._cells()}
        placed = []
        for path, text in notes:
            there = _PRISMS.sub(".prism", path)
            while there and there not in cells:
                there = there.rpartition(".")[0]
            cell = cells.get(there)
            note = Note(kind, cell.label if cell else named(path), text, anchor(there))
            placed.append(note)
            if cell:
                cell.notes.append(note)
        return placed

    def _cells(self) -> Iterator[Cell]:
        for eye in self.eyes:
            yield Cell(eye.path, f"{eye.short} eye", "", eye.cells[0].notes)
            for cell in eye.cells:
                yield Cell(cell.path, f"{eye.short} {cell.label}", "", cell.notes)
        for section in self.sections:
            yield from section.cells


def anchor(path: str) -> str:
    """The id of a field in the page."""
    return "field-" + path.replace(".", "-").replace("_", "-") if path else "order"


def named(path: str) -> str:
    """What a field is called that the page does not show."""
    return path.replace(".", " ").replace("_", " ").capitalize()


def moment(seconds: int) -> datetime:
    """A time of an order."""
    return datetime.fromtimestamp(seconds, UTC)


def state(lab_status: str) -> tuple[str, str]:
    """How a status is called, and how it is coloured."""
    return STATES.get(lab_status, (lab_status, ""))


def words(code: str) -> str:
    """A word of the contract as people write it."""
    text = code.replace("three_d", "3D").replace("_", " ")
    return text[:1].upper() + text[1:]


def power(value: float) -> str:
    """Dioptres with their sign, two decimals, three where they are needed."""
    return f"{value:+.3f}".removesuffix("0")


def sphere(value: float) -> str:
    """Dioptres of a sphere; none is plano."""
    return power(value) if value else "PL"


def number(value: float, unit: str = "") -> str:
    """Two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") + unit


mm = partial(number, unit=" mm")
degrees = partial(number, unit="°")


def _get(message: Message, path: str) -> Any:
    """The number or block at a path; None where none was sent."""
    *blocks, name = path.split(".")
    for block in blocks:
        if not message.HasField(block):
            return None
        message = getattr(message, block)
    if message.DESCRIPTOR.fields_by_name[name].has_presence and not message.HasField(name):
        return None
    return getattr(message, name)


def _eyes(review: Review) -> Iterator[Eye]:
    if not review.order.HasField("rx"):
        return
    for name, (short, word) in EYES.items():
        path = f"rx.{name}"
        yield Eye(path, short, word, list(_rx(review, path)), list(_also(getattr(review, name))))


def _rx(review: Review, path: str) -> Iterator[Cell]:
    get = partial(_get, review.order)
    has_eye = get(path) is not None
    cylinder = get(f"{path}.cylinder")
    columns: list[tuple[str, str, Callable[[Any], str]]] = [
        ("sphere", "Sphere", sphere),
        ("cylinder", "Cylinder", power),
        ("axis", "Axis", "{:03d}".format),
        ("add", "Add", power),
        ("pd", "PD", number),
        ("near_pd", "Near PD", number),
        ("seg_height", "Seg height", number),
        ("oc_height", "OC height", number),
    ]
    for name, label, written in columns:
        value = get(f"{path}.{name}")
        text = NOTHING if value is None else written(value)
        if name == "cylinder" and has_eye and cylinder is None:
            text = "DS"
        yield Cell(f"{path}.{name}", label, text)
    prisms = [get(f"{path}.{name}_prism") for name in ("horizontal", "vertical")]
    said = [f"{power(each.power)[1:]} {BASES[each.direction]}" for each in prisms if each]
    yield Cell(f"{path}.prism", "Prism", ", ".join(said) or NOTHING)


def _also(eye: ReviewedEye) -> Iterator[tuple[str, str]]:
    if eye.HasField("other_form"):
        other = eye.other_form
        sign = "plus" if other.cylinder > 0 else "minus"
        text = f"{sphere(other.sphere)} {power(other.cylinder)} x {other.axis:03d}"
        yield f"In {sign} cylinder form", text
        yield "Spherical equivalent", sphere(eye.spherical_equivalent)
    if eye.HasField("prism"):
        yield "Resultant prism", f"{power(eye.prism.power)[1:]} base {number(eye.prism.base)}°"


def _sections(review: Review) -> Iterator[Section]:
    order = review.order
    get = partial(_get, order)

    def cells(*rows: tuple[str, str, str | None], always: Sequence[str] = ()) -> list[Cell]:
        return [
            Cell(path, label, text or NOTHING)
            for path, label, text in rows
            if text or path in always
        ]

    def written(path: str, write: Callable[[Any], str] = str) -> str | None:
        value = get(path)
        return None if value is None else write(value)

    if order.HasField("lens"):
        lens = cells(
            ("lens.style", "Style", review.style),
            ("lens.material", "Material", review.material),
            ("lens.color", "Color", review.color),
            ("lens.coats", "Coats", ", ".join(review.coats)),
            ("lens.tint", "Tint", order.lens.tint),
            ("lens.tint_instruction", "Tint instruction", order.lens.tint_instruction),
            always=("lens.style", "lens.material", "lens.color"),
        )
    else:
        lens = [Cell("lens", "Lens", "Not chosen yet")] if order.HasField("rx") else []
    yield Section("lens", "Lens", lens)
    yield Section(
        "order",
        "Order",
        cells(
            ("lab", "Lab", f"{review.lab_name}, account {order.account_number}"),
            ("order_type", "Type", words(order.order_type)),
            ("submission_type", "Submission", SUBMISSIONS.get(order.submission_type)),
            ("redo_data.type", "Redo", order.redo_data.type),
            ("redo_data.reason", "Reason", order.redo_data.reason),
            ("redo_data.reference", "Redo of", order.redo_data.reference),
            ("multi_pair_data.reference", "Pair of", order.multi_pair_data.reference),
            ("mounting_option", "Mounting", order.mounting_option),
            ("services", "Services", ", ".join(order.services)),
            ("tray_number", "Tray", order.tray_number),
            ("invoice_number", "Invoice", order.invoice_number),
            always=("mounting_option",) if order.HasField("rx") else (),
        ),
    )
    address = order.shipping.address
    place = f"{address.city}, {address.state} {address.postal_code}"
    ship_to = [order.shipping.name, address.line1, address.line2, place]
    yield Section(
        "patient",
        "Patient",
        cells(
            ("patient.first_name", "First name", order.patient.first_name),
            ("patient.last_name", "Last name", order.patient.last_name),
            ("patient.email", "E-mail", order.patient.email),
            ("patient.phone_number", "Phone", order.patient.phone_number),
            (
                "shipping",
                "Ship to",
                ", ".join(filter(None, ship_to)) if order.HasField("shipping") else None,
            ),
        ),
    )
    traced = [
        f"{short} {number(each.a)} x {number(each.b)}, ED {number(each.lens_ed)}, "
        f"circumference {number(each.circumference)} mm"
        for name, (short, _) in EYES.items()
        if (each := get(f"traced.{name}"))
    ]
    yield Section(
        "frame",
        "Frame",
        cells(
            ("frame.manufacturer", "Manufacturer", order.frame.manufacturer),
            ("frame.model", "Model", order.frame.model),
            ("frame.color", "Color", order.frame.color),
            ("frame.material", "Material", words(order.frame.material)),
            ("frame.sku", "SKU", order.frame.sku),
            ("frame.handling", "Handling", order.frame.handling),
            ("frame.eye_size", "Eye size", written("frame.eye_size", mm)),
            ("frame.bridge", "Bridge", written("frame.bridge", mm)),
            ("frame.temple", "Temple", written("frame.temple", mm)),
            ("frame.a", "A", written("frame.a", mm)),
            ("frame.b", "B", written("frame.b", mm)),
            ("frame.lens_ed", "ED", written("frame.lens_ed", mm)),
            ("frame.vertex", "Vertex distance", written("frame.vertex", mm)),
            (
                "frame.pantoscopic_tilt",
                "Pantoscopic tilt",
                written("frame.pantoscopic_tilt", degrees),
            ),
            ("frame.wrap", "Wrap", written("frame.wrap", degrees)),
            (
                "frame.tracing",
                "Tracing",
                "; ".join(traced) or ("Sent" if order.frame.tracing else None),
            ),
        ),
    )
    said = cells(("special_instructions", "For the lab", order.special_instructions))
    yield Section("instructions", "Instructions", said)

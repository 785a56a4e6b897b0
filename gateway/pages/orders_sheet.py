"""An order as opticians read it: rows of fields with their notes, in the notation of the trade.

A note is a fault or a warning. It is placed at the field that its path names, or at the nearest
field around it that the page shows.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from google.protobuf.message import Message

from gateway.pages.notation import (
    NOTHING,
    format_axis,
    format_degrees,
    format_mm,
    format_number,
    format_power,
    format_sphere,
    humanize,
)
from gateway.pages.orders_edit import Editor, Input
from protos.orders_pb2 import Order, Review, ReviewedEye

# Label and colour of each lab status.
STATUSES = {
    "draft": ("Draft", "warn"),
    "pending_transmission": ("Not sent yet", "warn"),
    "submitted": ("Submitted", "good"),
    "in_progress": ("In progress", "good"),
    "on_hold": ("On hold", "warn"),
    "shipped": ("Shipped", "good"),
    "ready_for_pickup": ("Ready for pickup", "good"),
    "cancelled": ("Cancelled", "bad"),
}
SUBMISSIONS = {"new": "New", "redo": "Redo", "multi_pair": "Multiple pair"}
BASES = {"in": "BI", "out": "BO", "up": "BU", "down": "BD"}
EYES = {"right_eye": ("OD", "right"), "left_eye": ("OS", "left")}
RX_COLUMNS: list[tuple[str, str, Callable[[Any], str]]] = [
    ("sphere", "Sphere", format_sphere),
    ("cylinder", "Cylinder", format_power),
    ("axis", "Axis", format_axis),
    ("add", "Add", format_power),
    ("pd", "PD", format_number),
    ("near_pd", "Near PD", format_number),
    ("seg_height", "Seg height", format_number),
    ("oc_height", "OC height", format_number),
]
FRAME_FIGURES: list[tuple[str, str, Callable[[Any], str]]] = [
    ("eye_size", "Eye size", format_mm),
    ("bridge", "Bridge", format_mm),
    ("temple", "Temple", format_mm),
    ("a", "A", format_mm),
    ("b", "B", format_mm),
    ("lens_ed", "ED", format_mm),
    ("vertex", "Vertex distance", format_mm),
    ("pantoscopic_tilt", "Pantoscopic tilt", format_degrees),
    ("wrap", "Wrap", format_degrees),
]
# Both prisms of an eye share one cell.
_PRISM = re.compile(r"\.(horizontal|vertical)_prism")

# Path, label and text of a field; no text where the order has none.
Row = tuple[str, str, str | None]


class Note(NamedTuple):
    """A fault ("bad") or a warning ("warn") about a field."""

    kind: str
    label: str
    text: str
    path: str


@dataclass
class Cell:
    """A field: its path in the order, its label, its text and its notes."""

    path: str
    label: str
    text: str
    notes: list[Note] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its anchor in the page."""
        return make_anchor(self.path)


@dataclass
class Section:
    """Fields under a heading."""

    path: str
    title: str
    cells: list[Cell]


@dataclass
class Eye:
    """A row of the prescription, and the figures derived from it."""

    path: str
    short: str
    word: str
    cells: list[Cell]
    derived: list[tuple[str, str]]

    @property
    def id(self) -> str:
        """Its anchor in the page."""
        return make_anchor(self.path)

    @property
    def notes(self) -> list[Note]:
        """The notes of its fields."""
        return [note for cell in self.cells for note in cell.notes]


class Sheet:
    """A review as the page shows it."""

    def __init__(
        self,
        review: Review,
        faults: Iterable[tuple[str, str]] = (),
        editor: Editor | None = None,
    ) -> None:
        order = review.order
        self.order = order
        self.patient = f"{order.patient.first_name} {order.patient.last_name}"
        self.lab_name = review.lab_name
        self.status, self.kind = describe_status(order.lab_status)
        self.is_draft = order.lab_status == "draft"
        self.svg = review.outline_svg
        self.actions = order.available_actions
        self.editor = editor
        shown = editor.paths if editor else frozenset()
        self.eyes = list(_list_eyes(review))
        self.sections = [each for each in _list_sections(review, shown) if each.cells]
        if editor:
            for cell in self._list_cells():
                cell.inputs.extend(editor.list_inputs(cell.path, cell.label))
        faults = list(faults)
        self.faults = self._place_notes("bad", faults)
        self.needs_checks_only = all(path == "acknowledged_warnings" for path, _ in faults)
        acknowledged = set(order.acknowledged_warnings)
        warnings = (
            (each.param, each.message + (" (checked)" if each.code in acknowledged else ""))
            for each in order.warnings
        )
        self.warnings = self._place_notes("warn", warnings)
        # The codes that the lab wants acknowledged, each with its messages.
        self.confirm: dict[str, list[str]] = {}
        for warning, note in zip(order.warnings, self.warnings, strict=True):
            if warning.confirm and warning.code not in order.acknowledged_warnings:
                text = f"{note.label}: {note.text}"
                self.confirm.setdefault(warning.code, []).append(text)

    def _place_notes(self, kind: str, notes: Iterable[tuple[str, str]]) -> list[Note]:
        """Add each note to its field, and return all of them."""
        cells = {cell.path: cell for cell in self._list_cells()}
        placed = []
        for path, text in notes:
            shown_path = _PRISM.sub(".prism", path)
            while shown_path and shown_path not in cells:
                shown_path = shown_path.rpartition(".")[0]
            cell = cells.get(shown_path)
            label = cell.label if cell else build_label(path)
            note = Note(kind, label, text, make_anchor(shown_path))
            placed.append(note)
            if cell:
                cell.notes.append(note)
        return placed

    def _list_cells(self) -> Iterator[Cell]:
        for eye in self.eyes:
            yield Cell(eye.path, f"{eye.short} eye", "", eye.cells[0].notes)
            for cell in eye.cells:
                label = f"{eye.short} {cell.label}"
                yield Cell(cell.path, label, "", cell.notes, cell.inputs)
        for section in self.sections:
            yield from section.cells


def make_anchor(path: str) -> str:
    """Return the id of a field in the page."""
    return "field-" + path.replace(".", "-").replace("_", "-") if path else "order"


def build_label(path: str) -> str:
    """Return a label for a field that the page does not show."""
    return path.replace(".", " ").replace("_", " ").capitalize()


def describe_status(lab_status: str) -> tuple[str, str]:
    """Return the label of a lab status, and its colour."""
    return STATUSES.get(lab_status, (lab_status, ""))


def _get(message: Message, path: str) -> Any:
    """Return the value or block at a path; None where the order has none."""
    *blocks, name = path.split(".")
    for block in blocks:
        if not message.HasField(block):
            return None
        message = getattr(message, block)
    if message.DESCRIPTOR.fields_by_name[name].has_presence and not message.HasField(name):
        return None
    return getattr(message, name)


def _format_at(order: Order, path: str, write: Callable[[Any], str]) -> str | None:
    value = _get(order, path)
    return None if value is None else write(value)


def _list_eyes(review: Review) -> Iterator[Eye]:
    if not review.order.HasField("rx"):
        return
    for name, (short, word) in EYES.items():
        path = f"rx.{name}"
        cells = list(_list_rx_cells(review.order, path))
        yield Eye(path, short, word, cells, list(_list_derived(getattr(review, name))))


def _list_rx_cells(order: Order, path: str) -> Iterator[Cell]:
    get = partial(_get, order)
    has_cylinder = get(f"{path}.cylinder") is not None
    is_balance = bool(get(f"{path}.balance"))
    for name, label, write in RX_COLUMNS:
        text = _format_at(order, f"{path}.{name}", write) or NOTHING
        if name == "sphere" and is_balance:
            text = "Balance"
        if name == "cylinder" and not has_cylinder and get(path) is not None and not is_balance:
            text = "DS"
        yield Cell(f"{path}.{name}", label, text)
    prisms = [get(f"{path}.{name}_prism") for name in ("horizontal", "vertical")]
    texts = [f"{format_power(each.power)[1:]} {BASES[each.direction]}" for each in prisms if each]
    yield Cell(f"{path}.prism", "Prism", ", ".join(texts) or NOTHING)


def _list_derived(eye: ReviewedEye) -> Iterator[tuple[str, str]]:
    if eye.HasField("other_form"):
        other = eye.other_form
        sign = "plus" if other.cylinder > 0 else "minus"
        powers = f"{format_sphere(other.sphere)} {format_power(other.cylinder)}"
        yield f"In {sign} cylinder form", f"{powers} x {format_axis(other.axis)}"
        yield "Spherical equivalent", format_sphere(eye.spherical_equivalent)
    if eye.HasField("prism"):
        text = f"{format_power(eye.prism.power)[1:]} base {format_degrees(eye.prism.base)}"
        yield "Resultant prism", text


def _list_sections(review: Review, shown: Collection[str]) -> Iterator[Section]:
    """Yield the sections; fields among `shown` are there even without a value."""
    order = review.order
    yield Section("lens", "Lens", _list_lens_cells(review, shown))
    yield Section("order", "Order", _list_order_cells(review, shown))
    yield Section("patient", "Patient", _list_patient_cells(order, shown))
    yield Section("frame", "Frame", _list_frame_cells(order, shown))
    instructions = _make_cells(
        [("special_instructions", "For the lab", order.special_instructions)], shown
    )
    yield Section("instructions", "Instructions", instructions)


def _make_cells(rows: Iterable[Row], always: Collection[str] = ()) -> list[Cell]:
    """Return the cells of the rows that have a text, or whose path is among `always`."""
    return [
        Cell(path, label, text or NOTHING) for path, label, text in rows if text or path in always
    ]


def _list_lens_cells(review: Review, shown: Collection[str]) -> list[Cell]:
    order, missing = review.order, []
    if not order.HasField("lens"):
        missing = [Cell("lens", "Lens", "Not chosen yet")] if order.HasField("rx") else []
        if "lens.style" not in shown:
            return missing
    rows: list[Row] = [
        ("lens.style", "Style", review.style),
        ("lens.material", "Material", review.material),
        ("lens.color", "Color", review.color),
        ("lens.coats", "Coats", ", ".join(review.coats)),
        ("lens.tint", "Tint", order.lens.tint),
        ("lens.tint_instruction", "Tint instruction", order.lens.tint_instruction),
    ]
    always = {"lens.style", "lens.material", "lens.color", *shown}
    return [*missing, *_make_cells(rows, always)]


def _list_order_cells(review: Review, shown: Collection[str]) -> list[Cell]:
    order = review.order
    rows: list[Row] = [
        ("lab", "Lab", f"{review.lab_name}, account {order.account_number}"),
        ("order_type", "Type", humanize(order.order_type)),
        ("submission_type", "Submission", SUBMISSIONS.get(order.submission_type)),
        ("redo_data.type", "Redo", order.redo_data.type),
        ("redo_data.reason", "Reason", order.redo_data.reason),
        ("redo_data.reference", "Redo of", order.redo_data.reference),
        ("multi_pair_data.reference", "Pair of", order.multi_pair_data.reference),
        ("mounting_option", "Mounting", order.mounting_option),
        ("services", "Services", ", ".join(order.services)),
        ("tray_number", "Tray", order.tray_number),
        ("invoice_number", "Invoice", order.invoice_number),
    ]
    return _make_cells(rows, {*shown, "mounting_option"} if order.HasField("rx") else shown)


def _list_patient_cells(order: Order, shown: Collection[str]) -> list[Cell]:
    address = order.shipping.address
    place = f"{address.city}, {address.state} {address.postal_code}"
    lines = [order.shipping.name, address.line1, address.line2, place]
    ship_to = ", ".join(filter(None, lines)) if order.HasField("shipping") else None
    rows: list[Row] = [
        ("patient.first_name", "First name", order.patient.first_name),
        ("patient.last_name", "Last name", order.patient.last_name),
        ("patient.email", "E-mail", order.patient.email),
        ("patient.phone_number", "Phone", order.patient.phone_number),
        ("shipping", "Ship to", ship_to),
    ]
    return _make_cells(rows, shown)


def _list_frame_cells(order: Order, shown: Collection[str]) -> list[Cell]:
    frame = order.frame
    figures = [
        (f"frame.{name}", label, _format_at(order, f"frame.{name}", write))
        for name, label, write in FRAME_FIGURES
    ]
    rows: list[Row] = [
        ("frame.manufacturer", "Manufacturer", frame.manufacturer),
        ("frame.model", "Model", frame.model),
        ("frame.color", "Color", frame.color),
        ("frame.material", "Material", humanize(frame.material)),
        ("frame.sku", "SKU", frame.sku),
        ("frame.handling", "Handling", frame.handling),
        *figures,
        ("frame.tracing", "Tracing", _describe_tracing(order)),
    ]
    return _make_cells(rows, shown)


def _describe_tracing(order: Order) -> str | None:
    traced = [
        f"{short} {each.a:.1f} x {each.b:.1f}, ED {each.lens_ed:.1f}, "
        f"circumference {each.circumference:.1f} mm"
        for name, (short, _) in EYES.items()
        if (each := _get(order, f"traced.{name}"))
    ]
    return "; ".join(traced) or ("Sent" if order.frame.tracing else None)

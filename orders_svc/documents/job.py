"""An order as job text of the Vision Council's Data Communication Standard (DCS, "OMA").

Lab software reads it: one record per line, values of both eyes as right;left, `?` for what is
unknown or of an eye that the order does not have. Everything about the patient, the account and
the lenses is the order's; of a tracing only its traces and the records that describe the frame
go along. Free text is sanitized, so that it cannot add a record. What no public label carries is
written in words into the remark. The table of labels is in orders_svc/README.md.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from anyascii import anyascii

from optics import powers
from orders_svc.documents.job_text import write_tracing
from orders_svc.rules.order import RX
from orders_svc.rules.traces import FRAME_LABELS, LEFT, RIGHT, Record, Trace, Tracing

EYES = (powers.RIGHT_EYE, powers.LEFT_EYE)
UNKNOWN = "?"
# Sources disagree on the label of the patient's last name; of the first one they do not.
LAST_NAME, FIRST_NAME = "CLIENT", "CLIENTF"
REMARK = "REM"
LENS_TYPES = {"single_vision": "SV"}  # of a multifocal lens the catalog does not know which
REPEATED_LABELS = frozenset(("DRILLE",))  # one record for each hole


class LensNames(NamedTuple):
    """The lens of an order in its lab's words."""

    style: str
    material: str
    color: str
    coats: tuple[str, ...] = ()
    lens_type: str | None = None


def write_job(
    order_id: str,
    order: Mapping[str, Any],
    lens_names: LensNames | None = None,
    tracing: Tracing | None = None,
) -> str:
    """Return the job of an order with CRLF line ends."""
    traces = tracing.traces if tracing else {}
    frame, rx = order["frame"], order.get("rx") or {}
    records = [
        Record("JOB", (_write_name(order_id),)),
        *_write_people(order),
        *_write_prescription(rx),
        *_write_lens(order.get("lens") or {}, lens_names),
        *_write_frame(frame, tracing),
        *_write_boxes(frame, traces),
        Record(REMARK, (_write_name(" / ".join(_describe_rest(order))),)),
    ]
    return write_tracing(Tracing(traces, tuple(records)))


def _write_people(order: Mapping[str, Any]) -> Iterator[Record]:
    patient = order["patient"]
    yield Record("ACCN", (_write_name(order["account_number"]),))
    yield Record(LAST_NAME, (_write_name(patient["last_name"]),))
    yield Record(FIRST_NAME, (_write_name(patient["first_name"]),))


def _write_prescription(rx: Mapping[str, Any]) -> Iterator[Record]:
    eyes = [rx.get(which) or {} for which in EYES]
    if not any(eyes):
        return
    yield Record("DO", (("B" if all(eyes) else "R" if eyes[0] else "L"),))
    yield Record("SPH", tuple(_format_power(eye.get("sphere")) for eye in eyes))
    # An eye with a sphere and no cylinder has none; of any other eye it is unknown.
    cylinders = [eye.get("cylinder", 0 if "sphere" in eye else None) for eye in eyes]
    yield Record("CYL", tuple(map(_format_power, cylinders)))
    yield Record("AX", tuple(str(eye.get("axis", UNKNOWN)) for eye in eyes))
    if any("add" in eye for eye in eyes):
        yield Record("ADD", tuple(_format_power(eye.get("add")) for eye in eyes))
    for label, name in (
        ("IPD", "pd"),
        ("NPD", "near_pd"),
        ("SEGHT", "seg_height"),
        ("OCHT", "oc_height"),
    ):
        if any(name in eye for eye in eyes):
            yield Record(label, tuple(_format_number(eye.get(name)) for eye in eyes))
    prisms = [powers.resultant(eye, which) for eye, which in zip(eyes, EYES, strict=True)]
    if any(prisms):
        # Likewise, an eye with a sphere and no prism has none.
        missing = [0 if "sphere" in eye else None for eye in eyes]
        amounts = [p.power if p else no for p, no in zip(prisms, missing, strict=True)]
        yield Record("PRVM", tuple(map(_format_number, amounts)))
        yield Record("PRVA", tuple(f"{each.base:g}" if each else UNKNOWN for each in prisms))


def _write_lens(lens: Mapping[str, Any], names: LensNames | None) -> Iterator[Record]:
    """Yield the lens in its lab's words; both lenses are of one kind."""
    if names is None:
        return
    tint = " ".join(lens[name] for name in ("tint", "tint_instruction") if name in lens)
    for label, text in (
        ("LNAM", f"{names.style} {names.material}"),
        ("LTYPE", LENS_TYPES.get(names.lens_type or "", UNKNOWN)),
        ("LMATNAME", names.material),
        ("COLR", names.color),
        ("TINT", tint),
        ("ACOAT", ", ".join(names.coats)),
    ):
        if text:
            yield Record(label, (_write_name(text),) * len(EYES))


def _write_frame(frame: Mapping[str, Any], tracing: Tracing | None) -> Iterator[Record]:
    for label, name in (
        ("FMFR", "manufacturer"),
        ("FRAM", "model"),
        ("FCOL", "color"),
        ("FMAT", "material"),
    ):
        yield Record(label, (_write_name(frame[name]),))
    yield Record("EYESIZ", (_format_number(frame["eye_size"]),))
    yield Record("BRGSIZ", (_format_number(frame["bridge"]),))
    for label, name in (("PANTO", "pantoscopic_tilt"), ("BVD", "vertex")):
        if name in frame:
            yield Record(label, (_format_number(frame[name]),) * len(EYES))
    written: set[str] = set()
    for record in tracing.records if tracing else ():
        if record.label in FRAME_LABELS and record.label not in written - REPEATED_LABELS:
            written.add(record.label)
            yield Record(record.label, tuple(map(_sanitize, record.fields)))
    dbl = tracing.dbl if tracing and tracing.dbl else frame["bridge"]
    yield Record("DBL", (_format_number(dbl),))


def _write_boxes(frame: Mapping[str, Any], traces: Mapping[str, Trace]) -> Iterator[Record]:
    """Yield the boxes, all from one source: as traced, or as the frame states them.

    A frame has lenses of one size: beside a traced side, one that is not traced is unknown.
    """
    labels = {
        "HBOX": ("a", frame.get("a") or frame["eye_size"]),
        "VBOX": ("b", frame.get("b")),
        "FED": ("ed", frame.get("lens_ed")),
        "CIRC": ("circumference", None),
    }
    for label, (name, stated) in labels.items():
        values = [stated, stated]
        if traces:
            values = [getattr(traces.get(side), name, None) for side in (RIGHT, LEFT)]
        if any(value is not None for value in values):
            yield Record(label, tuple(map(_format_number, values)))


def _describe_rest(order: Mapping[str, Any]) -> Iterator[str]:
    """Yield phrases on what no public label carries."""
    frame = order["frame"]
    if "special_instructions" in order:
        yield order["special_instructions"]
    if order["order_type"] != RX:
        yield f"Order type: {order['order_type']}"
    yield from _describe_balance(order.get("rx") or {})
    if "mounting_option" in order:
        yield f"Mounting: {order['mounting_option']}"
    yield f"Frame: {frame['handling']}"
    if "sku" in frame:
        yield f"Frame SKU: {frame['sku']}"
    for name, unit in (("temple", "mm"), ("wrap", "degrees")):
        if name in frame:
            yield f"{name.capitalize()}: {frame[name]:g} {unit}"
    if order.get("services"):
        yield f"Services: {', '.join(order['services'])}"
    if "redo_data" in order:
        redo = order["redo_data"]
        yield f"Redo of {redo['reference']}: {redo['type']}, {redo['reason']}"
    if "multi_pair_data" in order:
        yield f"Further pair to {order['multi_pair_data']['reference']}"
    if "shipping" in order:
        yield f"Ship to: {_describe_address(order['shipping'])}"


def _describe_balance(rx: Mapping[str, Any]) -> Iterator[str]:
    for which in EYES:
        if rx.get(which, {}).get("balance"):
            yield f"Balance lens: {which.removesuffix('_eye')}"


def _describe_address(shipping: Mapping[str, Any]) -> str:
    address = shipping["address"]
    names = ("line1", "line2", "city", "state", "postal_code", "country")
    parts = [shipping.get("name"), *(address.get(name) for name in names)]
    return ", ".join(filter(None, parts))


def _format_power(value: float | None) -> str:
    """Return dioptres as they are computed: what is left of an eighth is the eighth."""
    return _format_number(None if value is None else powers.to_eighth(value))


def _format_number(value: float | None) -> str:
    """Return two decimals, three where needed, or the sign for an unknown value."""
    if value is None:
        return UNKNOWN
    text = f"{value:.3f}".removesuffix("0")
    return text.removeprefix("-") if not float(text) else text


def _write_name(text: str) -> str:
    """Return text as one field, unknown if nothing of it can be written."""
    return _sanitize(text) or UNKNOWN


def _sanitize(text: str) -> str:
    """Return text as one field of printable ASCII without `;`: letters in Latin, others `?`."""
    plain = "".join(map(_write_ascii, unicodedata.normalize("NFKD", text)))
    return " ".join(plain.replace(";", ",").split())


def _write_ascii(character: str) -> str:
    if " " <= character <= "~":
        return character
    if unicodedata.combining(character):
        return ""
    if character.isalnum() or unicodedata.category(character)[0] == "P":
        latin = anyascii(character)
        return latin if latin.isprintable() and latin else UNKNOWN
    return " " if character.isspace() else UNKNOWN

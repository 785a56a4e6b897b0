"""An order as job text of the Vision Council's Data Communication Standard (DCS, "OMA").

Lab software reads it: one record per line, values of both eyes as right;left, `?` for a value
that an eye does not have. Free text of an order is sanitized, so that it cannot add a record. The
labels, and which of them are right;left, are those that open readers and lab systems agree on.
The colour and the wrap of a frame are omitted: no label was found for the colour, and sources
disagree on which angle ZTILT is.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from optics import powers
from orders_svc.documents.job_text import write_tracing
from orders_svc.rules.traces import Record, Trace, Tracing

EYES = (powers.RIGHT_EYE, powers.LEFT_EYE)
UNKNOWN = "?"
# The records of a tracing that describe the frame and belong in a job.
FRAME_RECORDS = frozenset(
    "FTYP ETYP FCRV ZTILT CIRC3D DRILLE BEVP BEVM BSIZ PINB FPINB "  # noqa: SIM905 - a line for each
    "GDEPTH GWIDTH".split()
)


def write_job(
    order_id: str,
    order: Mapping[str, Any],
    lens_name: str = "",
    tracing: Tracing | None = None,
) -> str:
    """Return the job of an order with CRLF line ends; `lens_name` is the lab's name of its lens."""
    traces = tracing.traces if tracing else {}
    frame, rx = order["frame"], order.get("rx") or {}
    records = [
        Record("JOB", (_sanitize(order_id),)),
        *_write_prescription(rx),
        *_write_lens(lens_name),
        *_write_frame(frame, tracing),
        *_write_boxes(frame, traces),
    ]
    return write_tracing(Tracing(traces, tuple(records)))


def _write_prescription(rx: Mapping[str, Any]) -> Iterator[Record]:
    eyes = [rx.get(which) or {} for which in EYES]
    if not any(eyes):
        return
    yield Record("DO", (("B" if all(eyes) else "R" if eyes[0] else "L"),))
    yield Record("SPH", tuple(_format_number(eye.get("sphere")) for eye in eyes))
    yield Record(
        "CYL", tuple(_format_number(eye.get("cylinder", 0) if eye else None) for eye in eyes)
    )
    yield Record("AX", tuple(str(eye.get("axis", UNKNOWN)) for eye in eyes))
    for label, name in (
        ("ADD", "add"),
        ("IPD", "pd"),
        ("NPD", "near_pd"),
        ("SEGHT", "seg_height"),
        ("OCHT", "oc_height"),
    ):
        if any(name in eye for eye in eyes):
            yield Record(label, tuple(_format_number(eye.get(name)) for eye in eyes))
    prisms = [powers.resultant(eye, which) for eye, which in zip(eyes, EYES, strict=True)]
    if any(prisms):
        yield Record("PRVM", tuple(_format_number(each.power if each else 0) for each in prisms))
        yield Record("PRVA", tuple(f"{each.base:g}" if each else UNKNOWN for each in prisms))


def _write_lens(name: str) -> Iterator[Record]:
    if name:
        yield Record("LNAM", (_sanitize(name), _sanitize(name)))


def _write_frame(frame: Mapping[str, Any], tracing: Tracing | None) -> Iterator[Record]:
    for label, name in (("FMFR", "manufacturer"), ("FRAM", "model")):
        yield Record(label, (_sanitize(frame[name]),))
    yield Record("EYESIZ", (_format_number(frame["eye_size"]),))
    yield Record("BRGSIZ", (_format_number(frame["bridge"]),))
    for label, name in (("PANTO", "pantoscopic_tilt"), ("BVD", "vertex")):
        if name in frame:
            yield Record(label, (_format_number(frame[name]),) * len(EYES))
    for record in tracing.records if tracing else ():
        if record.label in FRAME_RECORDS or record.label.startswith("_"):
            yield Record(record.label, tuple(map(_sanitize, record.fields)))
    dbl = tracing.dbl if tracing and tracing.dbl else frame["bridge"]
    yield Record("DBL", (_format_number(dbl),))


def _write_boxes(frame: Mapping[str, Any], traces: Mapping[str, Trace]) -> Iterator[Record]:
    """Yield the boxes: measured for a traced lens, otherwise as the frame states them."""
    labels = {
        "HBOX": ("a", frame.get("a") or frame["eye_size"]),
        "VBOX": ("b", frame.get("b")),
        "FED": ("ed", frame.get("lens_ed")),
        "CIRC": ("circumference", None),
    }
    for label, (name, stated) in labels.items():
        values = [getattr(traces[s], name) if s in traces else stated for s in ("R", "L")]
        if any(value is not None for value in values):
            yield Record(label, tuple(map(_format_number, values)))


def _format_number(value: float | None) -> str:
    """Return two decimals, three where needed, or the sign for an unknown value."""
    if value is None:
        return UNKNOWN
    text = f"{value:.3f}".removesuffix("0")
    return text.removeprefix("-") if not float(text) else text


def _sanitize(text: str) -> str:
    """Return text as one field: printable ASCII without `;` and accents, `?` for other letters."""
    plain = "".join(
        each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each)
    )
    safe = "".join(each if " " <= each <= "~" else UNKNOWN for each in plain)
    return " ".join(safe.replace(";", ",").split())

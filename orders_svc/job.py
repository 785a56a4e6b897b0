"""An order as job text of the Vision Council's Data Communication Standard (DCS, "OMA").

Lab software reads it: one record a line, values of both eyes right;left, `?` for what an eye
does not have. Free text of an order is made harmless, so that it cannot add a record. Labels, and
which are right;left, are those that open readers and lab systems agree on. The colour and the wrap
of a frame are left out: no label was found for the one, and of which angle ZTILT is, for the other.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from optics import powers as optics
from orders_svc.traces import Record, Trace, Tracing
from orders_svc.tracing import write

EYES = (optics.RIGHT_EYE, optics.LEFT_EYE)
UNKNOWN = "?"
# Of a tracing's own records, those that describe the frame go along; the rest of it is no job.
FRAME_RECORDS = frozenset(
    "FTYP ETYP FCRV ZTILT CIRC3D DRILLE BEVP BEVM BSIZ PINB FPINB "  # noqa: SIM905 - a line for each
    "GDEPTH GWIDTH".split()
)


def job_text(
    order_id: str,
    order: Mapping[str, Any],
    lens_name: str = "",
    tracing: Tracing | None = None,
) -> str:
    """The job of an order, lines ended by CRLF; `lens_name` is the lens in the lab's words."""
    traces = tracing.traces if tracing else {}
    frame, rx = order["frame"], order.get("rx") or {}
    records = [
        Record("JOB", (_word(order_id),)),
        *_prescription(rx),
        *_lens(lens_name),
        *_frame(frame, tracing),
        *_box(frame, traces),
    ]
    return write(Tracing(traces, tuple(records)))


def _prescription(rx: Mapping[str, Any]) -> Iterator[Record]:
    eyes = [rx.get(which) or {} for which in EYES]
    if not any(eyes):
        return
    yield Record("DO", (("B" if all(eyes) else "R" if eyes[0] else "L"),))
    yield Record("SPH", tuple(_number(eye.get("sphere")) for eye in eyes))
    yield Record("CYL", tuple(_number(eye.get("cylinder", 0) if eye else None) for eye in eyes))
    yield Record("AX", tuple(str(eye.get("axis", UNKNOWN)) for eye in eyes))
    for label, name in (
        ("ADD", "add"),
        ("IPD", "pd"),
        ("NPD", "near_pd"),
        ("SEGHT", "seg_height"),
        ("OCHT", "oc_height"),
    ):
        if any(name in eye for eye in eyes):
            yield Record(label, tuple(_number(eye.get(name)) for eye in eyes))
    prisms = [optics.resultant(eye, which) for eye, which in zip(eyes, EYES, strict=True)]
    if any(prisms):
        yield Record("PRVM", tuple(_number(each.power if each else 0) for each in prisms))
        yield Record("PRVA", tuple(f"{each.base:g}" if each else UNKNOWN for each in prisms))


def _lens(name: str) -> Iterator[Record]:
    if name:
        yield Record("LNAM", (_word(name), _word(name)))


def _frame(frame: Mapping[str, Any], tracing: Tracing | None) -> Iterator[Record]:
    for label, name in (("FMFR", "manufacturer"), ("FRAM", "model")):
        yield Record(label, (_word(frame[name]),))
    yield Record("EYESIZ", (_number(frame["eye_size"]),))
    yield Record("BRGSIZ", (_number(frame["bridge"]),))
    for label, name in (("PANTO", "pantoscopic_tilt"), ("BVD", "vertex")):
        if name in frame:
            yield Record(label, (_number(frame[name]),) * len(EYES))
    for record in tracing.records if tracing else ():
        if record.label in FRAME_RECORDS or record.label.startswith("_"):
            yield Record(record.label, tuple(map(_word, record.fields)))
    dbl = tracing.dbl if tracing and tracing.dbl else frame["bridge"]
    yield Record("DBL", (_number(dbl),))


def _box(frame: Mapping[str, Any], traces: Mapping[str, Trace]) -> Iterator[Record]:
    """The boxes: of a traced lens as it was measured, of another as the frame says."""
    said = {
        "HBOX": ("a", frame.get("a") or frame["eye_size"]),
        "VBOX": ("b", frame.get("b")),
        "FED": ("ed", frame.get("lens_ed")),
        "CIRC": ("circumference", None),
    }
    for label, (name, of_frame) in said.items():
        values = [getattr(traces[s], name) if s in traces else of_frame for s in ("R", "L")]
        if any(value is not None for value in values):
            yield Record(label, tuple(map(_number, values)))


def _number(value: float | None) -> str:
    """Two decimals, three where they are needed, or what stands for an unknown value."""
    if value is None:
        return UNKNOWN
    text = f"{value:.3f}".removesuffix("0")
    return text.removeprefix("-") if not float(text) else text


def _word(text: str) -> str:
    """Text as one field: printable ASCII without `;`, accents taken off, `?` for other letters."""
    plain = "".join(
        each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each)
    )
    safe = "".join(each if " " <= each <= "~" else UNKNOWN for each in plain)
    return " ".join(safe.replace(";", ",").split())

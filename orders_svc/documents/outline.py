"""A drawing of the lenses of an order, to scale, inside the boxing system (ISO 8624).

Seen from the front: the right lens is on the viewer's left. A user unit is a millimetre, and the
origin is the middle of the bridge on the datum line. A traced lens is drawn as it was traced, any
other as the box of the frame. The SVG has no script, style or identifier of a person; its lines
take the colour of the surrounding text.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from orders_svc.rules.traces import LEFT, RIGHT, SIDES, Trace, Tracing

MAX_POINTS = 400  # of an outline; more make no visible difference
USUAL_B_TO_A = 0.7  # where the height of the lens is unknown
MARGIN_MM, TEXT_MM, GAP_MM = 4.0, 3.4, 6.0
PUPIL_COLOR = "#c2410c"  # over 3:1 on white and on black
# The functions of xml.sax.saxutils would load urllib.request with it.
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
EYE_LABELS = {RIGHT: "OD right", LEFT: "OS left"}


@dataclass(frozen=True, slots=True)
class Lens:
    """One lens in the drawing: its box, its trace, and the prescription of the eye behind it."""

    side: str
    a: float
    b: float
    b_is_known: bool
    ed: float | None
    middle: float
    """Position of the middle of the box on the datum line."""
    trace: Trace | None
    eye: Mapping[str, Any]

    @property
    def outward(self) -> int:
        """The direction of x away from the nose."""
        return -1 if self.side == RIGHT else 1

    @property
    def pupil(self) -> tuple[float, float] | None:
        """Position of the pupil; on the datum line if no height is given."""
        height = self.eye.get("oc_height") or self.eye.get("seg_height")
        if "pd" not in self.eye:
            return None
        return self.outward * self.eye["pd"], self.b / 2 - height if height else 0.0

    def describe(self) -> str:
        """Return a text alternative to the drawing."""
        parts = [f"{SIDES[self.side].capitalize()} lens: A {_format_mm(self.a)}"]
        parts += [f"B {_format_mm(self.b)}"] if self.b_is_known else []
        parts += [f"ED {_format_mm(self.ed)}"] if self.ed else []
        parts.append("traced" if self.trace else "not traced")
        for name, word in (("pd", "PD"), ("oc_height", "OC height"), ("seg_height", "seg height")):
            parts += [f"{word} {_format_mm(self.eye[name])}"] if name in self.eye else []
        return ", ".join(parts) + "."


def draw_outline(
    frame: Mapping[str, Any],
    rx: Mapping[str, Any] | None = None,
    tracing: Tracing | None = None,
) -> str:
    """Return an SVG document of an order's frame, prescription and tracing."""
    dbl = tracing.dbl if tracing and tracing.dbl else frame["bridge"]
    lenses = [_build_lens(side, frame, rx or {}, tracing, dbl) for side in SIDES]
    half = (
        max(abs(x) for lens in lenses for x in _measure_reach(lens, 0))
        + MARGIN_MM
        + TEXT_MM
        + GAP_MM
    )
    up = min(y for lens in lenses for y in _measure_reach(lens, 1)) - MARGIN_MM - 2 * GAP_MM
    down = max(y for lens in lenses for y in _measure_reach(lens, 1)) + MARGIN_MM + 2 * GAP_MM
    drawn = [
        _write_element("title", "Lens outlines, seen from the front", id="outline-title"),
        _write_element("desc", _describe(lenses, dbl), id="outline-desc"),
        _draw_line(-half, 0, half, 0, stroke_dasharray="1 1", stroke_opacity=0.5),
        _draw_line(
            0, up + GAP_MM, 0, down - GAP_MM, stroke_dasharray="3 1 0.6 1", stroke_opacity=0.5
        ),
        *(part for lens in lenses for part in _draw_lens(lens, down)),
        *_draw_width(-dbl / 2, dbl / 2, up + GAP_MM, f"DBL {_format_measure(dbl)}"),
    ]
    return _write_element(
        "svg",
        *map(_Markup, drawn),
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_labelledby="outline-title outline-desc",
        viewBox=" ".join(map(_format_number, (-half, up, 2 * half, down - up))),
        width=f"{_format_number(2 * half)}mm",
        height=f"{_format_number(down - up)}mm",
        fill="none",
        stroke="currentColor",
        stroke_width=0.3,
        font_family="system-ui, sans-serif",
        font_size=TEXT_MM,
    )


def _build_lens(
    side: str, frame: Mapping[str, Any], rx: Mapping[str, Any], tracing: Tracing | None, dbl: float
) -> Lens:
    trace = tracing.traces.get(side) if tracing else None
    a = trace.a if trace else frame.get("a") or frame["eye_size"]
    b = trace.b if trace else frame.get("b")
    ed = trace.ed if trace else frame.get("lens_ed")
    outward = -1 if side == RIGHT else 1
    middle = outward * (dbl + a) / 2
    eye = rx.get(f"{SIDES[side]}_eye") or {}
    return Lens(side, a, b or USUAL_B_TO_A * a, b is not None, ed, middle, trace, eye)


def _measure_reach(lens: Lens, axis: int) -> Iterable[float]:
    """Yield how far a lens, its circle and its pupil reach on the x (0) or the y axis (1)."""
    at = (lens.middle, 0.0)[axis]
    half = max((lens.a, lens.b)[axis], lens.ed or 0) / 2
    yield from (at - half, at + half)
    if lens.pupil:
        yield from (lens.pupil[axis] - TEXT_MM, lens.pupil[axis] + TEXT_MM)


def _draw_lens(lens: Lens, down: float) -> Iterable[str]:
    left, right = lens.middle - lens.a / 2, lens.middle + lens.a / 2
    outer, low = lens.middle + lens.outward * lens.a / 2, lens.b / 2
    yield _write_element(
        "rect",
        x=left,
        y=-low,
        width=lens.a,
        height=lens.b,
        stroke_width=0.2,
        stroke_dasharray=None if lens.b_is_known else "2 1",
    )
    if lens.ed:
        yield _write_element(
            "circle",
            cx=lens.middle,
            cy=0,
            r=lens.ed / 2,
            stroke_width=0.2,
            stroke_dasharray="1.5 1",
            stroke_opacity=0.6,
        )
        slope = math.sqrt(0.5) * lens.ed / 2
        edge = lens.middle + lens.outward * slope
        yield _draw_text(edge, -slope - 1, f"ED {_format_measure(lens.ed)}", _anchor_outward(lens))
    if lens.trace:
        yield _write_element(
            "path",
            d=_trace_path(lens.trace, lens.middle),
            fill="currentColor",
            fill_opacity=0.06,
            stroke_width=0.6,
            stroke_linejoin="round",
        )
    yield _draw_text(
        lens.middle, -low + TEXT_MM + 1.5, EYE_LABELS[lens.side], "middle", font_weight="bold"
    )
    yield from _draw_width(left, right, low + GAP_MM, f"A {_format_measure(lens.a)}")
    if lens.b_is_known:
        yield from _draw_height(
            outer + lens.outward * 2, -low, low, f"B {_format_measure(lens.b)}", lens
        )
    yield from _draw_pupil(lens, down)


def _draw_pupil(lens: Lens, down: float) -> Iterable[str]:
    """Yield a cross at the pupil, its distance from the middle, and its heights in the box."""
    if lens.pupil is None:
        return
    x, y = lens.pupil
    marks = [
        _draw_line(x - 2.5, y, x + 2.5, y),
        _draw_line(x, y - 2.5, x, y + 2.5),
        _write_element("circle", cx=x, cy=y, r=1.2),
        *_draw_width(0, x, down - GAP_MM + 1, f"PD {_format_measure(lens.eye['pd'])}"),
    ]
    given = [
        (lens.eye[name], word)
        for name, word in (("oc_height", "OC"), ("seg_height", "seg"))
        if name in lens.eye
    ]
    # Two heights are often close: the upper one has its label above its line, the other below.
    baselines = [-0.6, TEXT_MM] if len(given) == 2 else [TEXT_MM / 3]
    upper_first = sorted(given, key=itemgetter(0), reverse=True)
    for (height, word), baseline in zip(upper_first, baselines, strict=False):
        at = lens.b / 2 - height
        label = f"{word} {_format_measure(height)}"
        marks += [
            _draw_line(x - 6, at, x + 6, at, stroke_width=0.2),
            _draw_text(x + lens.outward * 7, at + baseline, label, _anchor_outward(lens)),
        ]
    yield _write_element("g", *map(_Markup, marks), stroke=PUPIL_COLOR, color=PUPIL_COLOR)


def _draw_width(one: float, other: float, y: float, label: str) -> Iterable[str]:
    """Yield a horizontal dimension line with its label above it."""
    yield _draw_line(one, y, other, y, stroke_width=0.2)
    for end in (one, other):
        yield _draw_line(end, y - 1, end, y + 1, stroke_width=0.2)
    yield _draw_text((one + other) / 2, y - 0.9, label, "middle")


def _draw_height(x: float, top: float, bottom: float, label: str, lens: Lens) -> Iterable[str]:
    """Yield a vertical dimension line with its label on the outer side."""
    yield _draw_line(x, top, x, bottom, stroke_width=0.2)
    for end in (top, bottom):
        yield _draw_line(x - 1, end, x + 1, end, stroke_width=0.2)
    at = x + lens.outward * (1.2 + (TEXT_MM * 0.7 if lens.side == LEFT else 0))
    turn = f"rotate(-90 {_format_number(at)} {_format_number(top / 2)})"
    yield _draw_text(at, top / 2, label, "middle", transform=turn)  # beside the datum line


def _anchor_outward(lens: Lens) -> str:
    return "end" if lens.side == RIGHT else "start"


def _trace_path(trace: Trace, middle: float) -> str:
    points = trace.to_points()
    points = points[:: math.ceil(len(points) / MAX_POINTS)]
    return (
        "M"
        + "L".join(f"{_format_number(middle + x)} {_format_number(-y)}" for x, y in points)
        + "Z"
    )


def _describe(lenses: Iterable[Lens], dbl: float) -> str:
    return " ".join(
        [f"Distance between the lenses {_format_mm(dbl)}.", *(e.describe() for e in lenses)]
    )


def _format_mm(value: float) -> str:
    return f"{_format_measure(value)} mm"


def _format_measure(value: float) -> str:
    """Return a measure as the tables of the dashboard have it: one decimal, or two where needed."""
    return f"{value:.2f}".removesuffix("0")


def _format_number(value: float) -> str:
    """Return two decimals at most."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _draw_line(x1: float, y1: float, x2: float, y2: float, **attributes: Any) -> str:
    return _write_element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def _draw_text(x: float, y: float, text: str, anchor: str, **attributes: Any) -> str:
    return _write_element(
        "text", text, x=x, y=y, text_anchor=anchor, fill="currentColor", stroke="none", **attributes
    )


class _Markup(str):
    """Text that is already an element."""


def _write_element(name: str, *content: str, **attributes: Any) -> str:
    """Return an element; `_` in attribute names becomes `-`, and everything is escaped."""
    written = "".join(
        f" {name.replace('_', '-')}={_quote_value(value)}"
        for name, value in attributes.items()
        if value is not None
    )
    inner = "".join(each if isinstance(each, _Markup) else _escape(each) for each in content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def _quote_value(value: str | float) -> str:
    text = value if isinstance(value, str) else _format_number(value)
    return f'"{_escape(text)}"'


def _escape(text: str) -> str:
    return text.translate(ESCAPES)

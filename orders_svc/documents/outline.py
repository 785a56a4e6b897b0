"""A drawing of the lenses of an order, to scale, inside the boxing system (ISO 8624).

Seen from the front: the right lens stands on the viewer's left. A user unit is a millimetre,
and the middle of the bridge on the datum line is the origin. What was traced is drawn as it was
traced, otherwise the box of the frame. The SVG has no script, style or identifier of a person;
its lines take the colour of the text around them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from orders_svc.rules.traces import LEFT, RIGHT, SIDES, Trace, Tracing

MOST_POINTS = 400  # of an outline; more cannot be seen
B_OF_A = 0.7  # a usual shape, where nobody has said how high the lens is
MARGIN, TEXT, GAP = 4.0, 3.4, 6.0  # mm
PUPIL = "#c2410c"  # over 3:1 on white and on black
EYES = {RIGHT: "OD right", LEFT: "OS left"}


@dataclass(frozen=True, slots=True)
class Lens:
    """One lens in the drawing: its box, what was traced of it, and the eye behind it."""

    side: str
    a: float
    b: float
    b_is_known: bool
    ed: float | None
    middle: float
    """Where the middle of the box is on the datum line."""
    trace: Trace | None
    eye: Mapping[str, Any]

    @property
    def outward(self) -> int:
        """The direction of x away from the nose."""
        return -1 if self.side == RIGHT else 1

    @property
    def pupil(self) -> tuple[float, float] | None:
        """Where the pupil is; on the datum line when no height is given."""
        height = self.eye.get("oc_height") or self.eye.get("seg_height")
        if "pd" not in self.eye:
            return None
        return self.outward * self.eye["pd"], self.b / 2 - height if height else 0.0

    def describe(self) -> str:
        """What a drawing of it shows, for whoever does not see it."""
        said = [f"{SIDES[self.side].capitalize()} lens: A {_mm(self.a)}"]
        said += [f"B {_mm(self.b)}"] if self.b_is_known else []
        said += [f"ED {_mm(self.ed)}"] if self.ed else []
        said.append("traced" if self.trace else "not traced")
        for name, word in (("pd", "PD"), ("oc_height", "OC height"), ("seg_height", "seg height")):
            said += [f"{word} {_mm(self.eye[name])}"] if name in self.eye else []
        return ", ".join(said) + "."


def draw(
    frame: Mapping[str, Any],
    rx: Mapping[str, Any] | None = None,
    tracing: Tracing | None = None,
) -> str:
    """An SVG document of an order's frame, prescription and tracing."""
    dbl = tracing.dbl if tracing and tracing.dbl else frame["bridge"]
    lenses = [_lens(side, frame, rx or {}, tracing, dbl) for side in SIDES]
    half = max(abs(x) for lens in lenses for x in _reach(lens, 0)) + MARGIN + TEXT + GAP
    up = min(y for lens in lenses for y in _reach(lens, 1)) - MARGIN - 2 * GAP
    down = max(y for lens in lenses for y in _reach(lens, 1)) + MARGIN + 2 * GAP
    drawn = [
        _element("title", "Lens outlines, seen from the front", id="outline-title"),
        _element("desc", _description(lenses, dbl), id="outline-desc"),
        _line(-half, 0, half, 0, stroke_dasharray="1 1", stroke_opacity=0.5),
        _line(0, up + GAP, 0, down - GAP, stroke_dasharray="3 1 0.6 1", stroke_opacity=0.5),
        *(part for lens in lenses for part in _drawn(lens, down)),
        *_across(-dbl / 2, dbl / 2, up + GAP, f"DBL {_number(dbl)}"),
    ]
    return _element(
        "svg",
        *map(_Markup, drawn),
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_labelledby="outline-title outline-desc",
        viewBox=" ".join(map(_number, (-half, up, 2 * half, down - up))),
        width=f"{_number(2 * half)}mm",
        height=f"{_number(down - up)}mm",
        fill="none",
        stroke="currentColor",
        stroke_width=0.3,
        font_family="system-ui, sans-serif",
        font_size=TEXT,
    )


def _lens(
    side: str, frame: Mapping[str, Any], rx: Mapping[str, Any], tracing: Tracing | None, dbl: float
) -> Lens:
    trace = tracing.traces.get(side) if tracing else None
    a = trace.a if trace else frame.get("a") or frame["eye_size"]
    b = trace.b if trace else frame.get("b")
    ed = trace.ed if trace else frame.get("lens_ed")
    outward = -1 if side == RIGHT else 1
    middle = outward * (dbl + a) / 2
    eye = rx.get(f"{SIDES[side]}_eye") or {}
    return Lens(side, a, b or B_OF_A * a, b is not None, ed, middle, trace, eye)


def _reach(lens: Lens, axis: int) -> Iterable[float]:
    """How far a lens, its circle and its pupil reach, on the x (0) or the y axis (1)."""
    at = (lens.middle, 0.0)[axis]
    half = max((lens.a, lens.b)[axis], lens.ed or 0) / 2
    yield from (at - half, at + half)
    if lens.pupil:
        yield from (lens.pupil[axis] - TEXT, lens.pupil[axis] + TEXT)


def _drawn(lens: Lens, down: float) -> Iterable[str]:
    left, right = lens.middle - lens.a / 2, lens.middle + lens.a / 2
    outer, low = lens.middle + lens.outward * lens.a / 2, lens.b / 2
    yield _element(
        "rect",
        x=left,
        y=-low,
        width=lens.a,
        height=lens.b,
        stroke_width=0.2,
        stroke_dasharray=None if lens.b_is_known else "2 1",
    )
    if lens.ed:
        yield _element(
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
        yield _text(edge, -slope - 1, f"ED {_number(lens.ed)}", _outward(lens))
    if lens.trace:
        yield _element(
            "path",
            d=_path(lens.trace, lens.middle),
            fill="currentColor",
            fill_opacity=0.06,
            stroke_width=0.6,
            stroke_linejoin="round",
        )
    yield _text(lens.middle, -low + TEXT + 1.5, EYES[lens.side], "middle", font_weight="bold")
    yield from _across(left, right, low + GAP, f"A {_number(lens.a)}")
    if lens.b_is_known:
        yield from _upright(outer + lens.outward * 2, -low, low, f"B {_number(lens.b)}", lens)
    yield from _pupil(lens, down)


def _pupil(lens: Lens, down: float) -> Iterable[str]:
    """A cross at the pupil, the distance from the middle, and the height above the box."""
    if lens.pupil is None:
        return
    x, y = lens.pupil
    marks = [
        _line(x - 2.5, y, x + 2.5, y),
        _line(x, y - 2.5, x, y + 2.5),
        _element("circle", cx=x, cy=y, r=1.2),
        *_across(0, x, down - GAP + 1, f"PD {_number(lens.eye['pd'])}"),
    ]
    given = [
        (lens.eye[name], word)
        for name, word in (("oc_height", "OC"), ("seg_height", "seg"))
        if name in lens.eye
    ]
    # Two heights are often near: the label of the upper is above its line, the other below.
    baselines = [-0.6, TEXT] if len(given) == 2 else [TEXT / 3]
    upper_first = sorted(given, key=itemgetter(0), reverse=True)
    for (height, word), baseline in zip(upper_first, baselines, strict=False):
        at = lens.b / 2 - height
        label = f"{word} {_number(height)}"
        marks += [
            _line(x - 6, at, x + 6, at, stroke_width=0.2),
            _text(x + lens.outward * 7, at + baseline, label, _outward(lens)),
        ]
    yield _element("g", *map(_Markup, marks), stroke=PUPIL, color=PUPIL)


def _across(one: float, other: float, y: float, label: str) -> Iterable[str]:
    """A dimension line from left to right, with its label above it."""
    yield _line(one, y, other, y, stroke_width=0.2)
    for end in (one, other):
        yield _line(end, y - 1, end, y + 1, stroke_width=0.2)
    yield _text((one + other) / 2, y - 0.9, label, "middle")


def _upright(x: float, top: float, bottom: float, label: str, lens: Lens) -> Iterable[str]:
    """A dimension line from top to bottom, with its label on the outer side."""
    yield _line(x, top, x, bottom, stroke_width=0.2)
    for end in (top, bottom):
        yield _line(x - 1, end, x + 1, end, stroke_width=0.2)
    at = x + lens.outward * (1.2 + (TEXT * 0.7 if lens.side == LEFT else 0))
    turn = f"rotate(-90 {_number(at)} {_number(top / 2)})"
    yield _text(at, top / 2, label, "middle", transform=turn)  # beside the datum line


def _outward(lens: Lens) -> str:
    return "end" if lens.side == RIGHT else "start"


def _path(trace: Trace, middle: float) -> str:
    points = trace.outline()
    points = points[:: math.ceil(len(points) / MOST_POINTS)]
    return "M" + "L".join(f"{_number(middle + x)} {_number(-y)}" for x, y in points) + "Z"


def _description(lenses: Iterable[Lens], dbl: float) -> str:
    return " ".join([f"Distance between the lenses {_mm(dbl)}.", *(e.describe() for e in lenses)])


def _mm(value: float) -> str:
    return f"{_number(value)} mm"


def _number(value: float) -> str:
    """Two decimals at most."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _line(x1: float, y1: float, x2: float, y2: float, **attributes: Any) -> str:
    return _element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def _text(x: float, y: float, text: str, anchor: str, **attributes: Any) -> str:
    return _element(
        "text", text, x=x, y=y, text_anchor=anchor, fill="currentColor", stroke="none", **attributes
    )


class _Markup(str):
    """Text that is an element already."""


def _element(name: str, *content: str, **attributes: Any) -> str:
    """An element: `_` in attribute names is `-`, and everything is escaped."""
    said = "".join(
        f" {key.replace('_', '-')}={quoteattr(_number(v) if isinstance(v, (int, float)) else v)}"
        for key, v in attributes.items()
        if v is not None
    )
    inner = "".join(each if isinstance(each, _Markup) else escape(each) for each in content)
    return f"<{name}{said}>{inner}</{name}>" if inner else f"<{name}{said}/>"

"""What a frame tracing holds: the shapes of the lenses, and what the boxing system measures.

Seen from the front, angles run counter-clockwise from the viewer's right. Terms of ISO 8624.
The text form is read and written by `orders_svc.rules.tracing`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

RIGHT, LEFT = "R", "L"
SIDES = {RIGHT: "right", LEFT: "left"}
CIRCLE = 36000  # 0.01 degree
ASCII_ABSOLUTE = 1  # the one format of TRCFMT that is text
_DECIMAL = re.compile(r"[-+]?([0-9]{1,7}(\.[0-9]{0,9})?|\.[0-9]{1,9})\Z")


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a header: a label, and its fields without the blanks around them."""

    label: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Depth:
    """The depth of a groove or bevel around a lens."""

    values: tuple[int, ...]
    """0.01 mm, signed."""
    angles: tuple[int, ...] = ()
    """0.01 degree, rising; empty when they are even."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The shape of one lens, and what the boxing system measures on it."""

    side: str
    """R or L."""
    radii: tuple[int, ...]
    """0.01 mm, from the centre of the trace."""
    angles: tuple[int, ...] = ()
    """0.01 degree, rising; empty when they are even."""
    object: str = ""
    """F frame, P pattern, D demo lens, or nothing when the file does not say."""
    depth: Depth | None = None
    a: float = field(init=False)
    """Width of the box around it, mm."""
    b: float = field(init=False)
    """Height of the box, mm."""
    ed: float = field(init=False)
    """Effective diameter: twice the longest way from the centre of the box, mm."""
    circumference: float = field(init=False)
    """Length of the outline, mm, flat."""

    def __post_init__(self) -> None:
        points = self.outline()
        x, y = zip(*points, strict=True)
        around = sum(map(math.dist, points, (*points[1:], points[0])))
        for name, value in (
            ("a", max(x) - min(x)),
            ("b", max(y) - min(y)),
            ("ed", 2 * max(map(math.hypot, x, y))),
            ("circumference", around),
        ):
            object.__setattr__(self, name, round(value, 2))

    def outline(self) -> list[tuple[float, float]]:
        """Its points in mm from the centre of the box: x to the viewer's right, y up."""
        step = math.tau / len(self.radii)
        if self.angles:
            turns = [angle * math.tau / CIRCLE for angle in self.angles]
        else:
            turns = [step * index for index in range(len(self.radii))]
        x = [radius * math.cos(t) / 100 for radius, t in zip(self.radii, turns, strict=True)]
        y = [radius * math.sin(t) / 100 for radius, t in zip(self.radii, turns, strict=True)]
        left, low = (max(x) + min(x)) / 2, (max(y) + min(y)) / 2
        return [(each - left, other - low) for each, other in zip(x, y, strict=True)]

    def measures(self) -> dict[str, float]:
        """What the boxing system measures, in mm, by the names of TracedEye."""
        return {"a": self.a, "b": self.b, "lens_ed": self.ed, "circumference": self.circumference}


@dataclass(frozen=True, slots=True)
class Remark:
    """What is odd about a tracing: the line (0 for the whole of it) and the words."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True)
class Tracing:
    """What a text holds: one trace or two, the other records, and what is odd."""

    traces: Mapping[str, Trace]
    """By side, R or L: at least one."""
    records: tuple[Record, ...] = ()
    """All that are not of a trace, in order; those of unknown labels too."""
    remarks: tuple[Remark, ...] = ()
    format: int = ASCII_ABSOLUTE

    def value(self, label: str, side: str = RIGHT) -> float | None:
        """The number that a record gives for a side; one number alone is of both sides."""
        fields = next((each.fields for each in self.records if each.label == label), ())
        index = 1 if side == LEFT and len(fields) > 1 else 0
        text = fields[index] if fields else ""
        return number(text)

    @property
    def dbl(self) -> float | None:
        """The distance between the lenses that it gives, mm."""
        return self.value("DBL")

    def measures(self) -> dict[str, dict[str, float]]:
        """What the boxing system measures, by `right_eye` and `left_eye`."""
        return {f"{SIDES[side]}_eye": trace.measures() for side, trace in self.traces.items()}


def number(text: str) -> float | None:
    """A plain decimal number; None for any other text."""
    return float(text) if _DECIMAL.match(text) else None

"""Frame tracings: the shapes of lenses, and their measurements by the boxing system (ISO 8624).

Seen from the front, angles run counter-clockwise from the viewer's right. The text form is read
and written by `orders_svc.rules.tracing`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

RIGHT, LEFT = "R", "L"
SIDES = {RIGHT: "right", LEFT: "left"}
FULL_CIRCLE = 36000  # 0.01 degree
ASCII_ABSOLUTE = 1  # the only format of TRCFMT that is text
_DECIMAL = re.compile(r"[-+]?([0-9]{1,7}(\.[0-9]{0,9})?|\.[0-9]{1,9})\Z")


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a header: a label, and its fields without surrounding blanks."""

    label: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Depth:
    """The depth of a groove or bevel around a lens."""

    values: tuple[int, ...]
    """0.01 mm, signed."""
    angles: tuple[int, ...] = ()
    """0.01 degree, ascending; empty if evenly spaced."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The shape of one lens, and its measurements by the boxing system."""

    side: str
    """R or L."""
    radii: tuple[int, ...]
    """0.01 mm, from the centre of the trace."""
    angles: tuple[int, ...] = ()
    """0.01 degree, ascending; empty if evenly spaced."""
    object: str = ""
    """F frame, P pattern, D demo lens, or empty if the file does not say."""
    depth: Depth | None = None
    a: float = field(init=False)
    """Width of the box, mm."""
    b: float = field(init=False)
    """Height of the box, mm."""
    ed: float = field(init=False)
    """Effective diameter: twice the longest radius from the centre of the box, mm."""
    circumference: float = field(init=False)
    """Length of the flat outline, mm."""

    def __post_init__(self) -> None:
        points = self.to_points()
        x, y = zip(*points, strict=True)
        around = sum(map(math.dist, points, (*points[1:], points[0])))
        for name, value in (
            ("a", max(x) - min(x)),
            ("b", max(y) - min(y)),
            ("ed", 2 * max(map(math.hypot, x, y))),
            ("circumference", around),
        ):
            object.__setattr__(self, name, round(value, 2))

    def to_points(self) -> list[tuple[float, float]]:
        """Return its points in mm from the centre of the box: x to the viewer's right, y up."""
        step = math.tau / len(self.radii)
        if self.angles:
            turns = [angle * math.tau / FULL_CIRCLE for angle in self.angles]
        else:
            turns = [step * index for index in range(len(self.radii))]
        x = [radius * math.cos(t) / 100 for radius, t in zip(self.radii, turns, strict=True)]
        y = [radius * math.sin(t) / 100 for radius, t in zip(self.radii, turns, strict=True)]
        left, low = (max(x) + min(x)) / 2, (max(y) + min(y)) / 2
        return [(each - left, other - low) for each, other in zip(x, y, strict=True)]

    def measure(self) -> dict[str, float]:
        """Return the measurements in mm, by the names of TracedEye."""
        return {"a": self.a, "b": self.b, "lens_ed": self.ed, "circumference": self.circumference}


@dataclass(frozen=True, slots=True)
class Remark:
    """An oddity of a tracing: the line (0 for the whole text) and a sentence."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True)
class Tracing:
    """The contents of a text: one trace or two, the other records, and remarks."""

    traces: Mapping[str, Trace]
    """By side, R or L: at least one."""
    records: tuple[Record, ...] = ()
    """The records outside traces in their order, including unknown labels."""
    remarks: tuple[Remark, ...] = ()
    format: int = ASCII_ABSOLUTE

    def find_number(self, label: str, side: str = RIGHT) -> float | None:
        """Return the number in a record for a side; a single number is for both."""
        fields = next((each.fields for each in self.records if each.label == label), ())
        index = 1 if side == LEFT and len(fields) > 1 else 0
        text = fields[index] if fields else ""
        return parse_number(text)

    @property
    def dbl(self) -> float | None:
        """The distance between the lenses, mm, if the text has it."""
        return self.find_number("DBL")

    def measure(self) -> dict[str, dict[str, float]]:
        """Return the measurements in mm, by `right_eye` and `left_eye`."""
        return {f"{SIDES[side]}_eye": trace.measure() for side, trace in self.traces.items()}


def parse_number(text: str) -> float | None:
    """Return a plain decimal number; None for any other text."""
    return float(text) if _DECIMAL.match(text) else None

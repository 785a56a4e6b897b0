"""Frame tracings: the shapes of lenses, and their measurements by the boxing system (ISO 8624).

Seen from the front, angles run counter-clockwise from the viewer's right, for both sides: the
left lens at an angle is the right one at 180 degrees less it. The text form is read by
`orders_svc.rules.tracing` and written by `orders_svc.documents.job_text`.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

RIGHT, LEFT = "R", "L"
CONFLICT, UNMIRRORED = "conflict", "unmirrored"  # kinds of remarks
SIDES = {RIGHT: "right", LEFT: "left"}
OTHER_SIDE = {RIGHT: LEFT, LEFT: RIGHT}
FULL_CIRCLE = 36000  # 0.01 degree
ASCII_ABSOLUTE = 1  # the only format of TRCFMT that is text
# The records of a tracing that describe the frame. A job carries them, and no others.
FRAME_LABELS = frozenset(
    "FTYP ETYP FCRV ZTILT CIRC3D DRILLE BEVP BEVM BSIZ PINB FPINB "  # noqa: SIM905 - a line for each
    "GDEPTH GWIDTH".split()
)
BOX_TOLERANCE_MM = 0.5  # between a trace and the box in its file
CIRCUMFERENCE_TOLERANCE = 0.01  # as a fraction of the circumference
MIN_DENSE_POINTS = 360  # from here on, neighbouring points are close
MAX_JUMP = 200  # 0.01 mm, between neighbours of a dense trace
# Sides differ by this much without being a pair, and fit this much better unmirrored: a mistake.
MIN_UNPAIRED_MM, MIN_UNPAIRED_RATIO = 0.3, 3.0
SAMPLES = 72  # directions in which two outlines are compared
MAX_SAMPLED_POINTS = 360
_DECIMAL = re.compile(r"[-+]?([0-9]{1,7}(\.[0-9]{0,9})?|\.[0-9]{1,9})\Z")


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a header: a label, and its fields without surrounding blanks."""

    label: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A dataset of another kind than a trace, kept apart from it."""

    header: Record
    records: tuple[Record, ...] = ()
    """Its data, in their order."""


@dataclass(frozen=True, slots=True)
class Depth:
    """The depth of a groove or bevel around a lens."""

    values: tuple[int, ...]
    """0.01 mm, signed."""
    angles: tuple[int, ...] = ()
    """0.01 degree, ascending; empty if evenly spaced."""

    def mirror(self) -> "Depth":
        """Return the depth of the other side."""
        return Depth(*_mirror(self.values, self.angles))


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

    def mirror(self) -> "Trace":
        """Return the trace of the other side of a symmetrical frame."""
        radii, angles = _mirror(self.radii, self.angles)
        depth = self.depth.mirror() if self.depth else None
        return Trace(OTHER_SIDE[self.side], radii, angles, self.object, depth)

    def sample(self) -> list[float]:
        """Return radii in mm from the centre of the box, in SAMPLES directions."""
        points = self.to_points()
        points = points[:: math.ceil(len(points) / MAX_SAMPLED_POINTS)]
        polar = sorted((math.atan2(y, x) % math.tau, math.hypot(x, y)) for x, y in points)
        first, last = polar[0], polar[-1]
        polar = [(last[0] - math.tau, last[1]), *polar, (first[0] + math.tau, first[1])]
        found = []
        for turn in (math.tau * each / SAMPLES for each in range(SAMPLES)):
            index = bisect_left(polar, (turn, 0.0))
            (low, near), (high, far) = polar[index - 1], polar[index]
            found.append(near + (turn - low) / (high - low) * (far - near))
        return found


def compare_sides(right: Trace, left: Trace) -> tuple[float, float]:
    """Return how far a left outline is from the right one, mirrored and as it is (RMS, mm)."""
    one, other = right.sample(), left.sample()
    turned = [one[(SAMPLES // 2 - each) % SAMPLES] for each in range(SAMPLES)]
    return math.dist(turned, other) / SAMPLES**0.5, math.dist(one, other) / SAMPLES**0.5


def _mirror(
    values: tuple[int, ...], angles: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return values and angles of the mirror image: what is at an angle moves to 180 less it."""
    size, half = len(values), FULL_CIRCLE // 2
    if not angles and size % 2 == 0:
        return tuple(values[(size // 2 - each) % size] for each in range(size)), ()
    # An odd number of even steps has no value at 180 degrees, so its angles are written out.
    turns = angles or [round(each * FULL_CIRCLE / size) for each in range(size)]
    image = {(half - at) % FULL_CIRCLE: value for at, value in zip(turns, values, strict=True)}
    ordered = tuple(sorted(image))
    return tuple(image[at] for at in ordered), ordered


@dataclass(frozen=True, slots=True)
class Remark:
    """An oddity of a tracing: the line (0 for the whole text) and a sentence."""

    line: int
    text: str
    kind: str = ""
    """CONFLICT, UNMIRRORED, or empty for any other."""

    def __str__(self) -> str:
        return f"Line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True)
class Tracing:
    """The contents of a text: one trace or two, the other records, and remarks."""

    traces: Mapping[str, Trace]
    """By side, R or L: at least one."""
    records: tuple[Record, ...] = ()
    """The records outside traces and sections in their order, including unknown labels."""
    remarks: tuple[Remark, ...] = ()
    sections: tuple[Section, ...] = ()
    """The datasets of other kinds."""
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


def find_jumps(trace: Trace) -> Iterator[str]:
    """Yield a remark on a dense trace with a jump: a slip of the stylus, or a lost point."""
    radii = trace.radii
    neighbours = zip(radii, (*radii[1:], radii[0]), strict=True)
    if len(radii) >= MIN_DENSE_POINTS and any(
        abs(low - high) > MAX_JUMP for low, high in neighbours
    ):
        yield f"The {SIDES[trace.side]} trace jumps by more than 2 mm."


def find_unmirrored(traces: Mapping[str, Trace]) -> Iterator[str]:
    """Yield a remark on a pair whose left side fits the right one only unmirrored."""
    if len(traces) < len(SIDES):
        return
    mirrored, unmirrored = compare_sides(traces[RIGHT], traces[LEFT])
    if mirrored > MIN_UNPAIRED_MM and unmirrored * MIN_UNPAIRED_RATIO < mirrored:
        yield (
            f"The left trace differs from the mirrored right one by {mirrored:.2f} mm on "
            f"average, from the unmirrored one by {unmirrored:.2f} mm."
        )


def compare_records(tracing: Tracing, mirrored: str = "") -> Iterator[tuple[str, str]]:
    """Yield the label of each record that disagrees with a trace, and a remark.

    A record that is missing has no label; none is expected of a mirrored side.
    """
    for side, trace in tracing.traces.items():
        word = SIDES[side]
        for label, measured in (("HBOX", trace.a), ("VBOX", trace.b), ("FED", trace.ed)):
            said = tracing.find_number(label, side)
            if said is None:
                if label == "FED" or side == mirrored:
                    continue
                yield "", f"{label} of the {word} side is missing."
            elif abs(said - measured) > BOX_TOLERANCE_MM:
                text = f"{label} of the {word} side is {said:g} mm; the trace measures"
                yield label, f"{text} {measured:g} mm."
        said, around = tracing.find_number("CIRC", side), trace.circumference
        if said is not None and abs(said - around) > CIRCUMFERENCE_TOLERANCE * around:
            text = f"CIRC of the {word} side is {said:g} mm; the trace measures {around:g} mm."
            yield "CIRC", text
    if tracing.dbl is None:
        yield "", "DBL is missing."

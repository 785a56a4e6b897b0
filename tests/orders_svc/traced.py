"""Tracings for tests: texts of well-formed files, and strategies of what may stand in one."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import strategies as st

from orders_svc.rules.traces import FULL_CIRCLE, Depth, Record, Section, Trace, Tracing
from orders_svc.rules.tracing import parse_tracing
from orders_svc.rules.tracing_data import TracingRefused

HALF = "R=2500;2494;2287;1985;1774;1700;1774;1985;2287;2494"
BOTH = f"""JOB="1001"
STATUS=0
DO=B
FTYP=1
DBL=18.00
HBOX=50.00;50.00
VBOX=34.00;34.00
FED=50.00;50.00
CIRC=138.43;138.43
TRCFMT=1;20;E;R;F
{HALF}
{HALF}
TRCFMT=1;20;E;L;F
{HALF}
{HALF}
"""
ONE = """DBL=18.00
HBOX=50.00;?
VBOX=34.00;?
TRCFMT=1;8;U;R;F
R=2500;2219;1700;2219;2500;2219;1700;2219
A=0;4000;9000;14000;18000;22000;27000;32000
ZFMT=1;8;E;R;F
Z=0;35;60;35;0;35;60;35
"""


# Figures of both lenses in the files of tests/field, and their lines of data.
FIELD_EYE = {"a": 50.2, "b": 35.4, "lens_ed": 51.96, "circumference": 140.04}
FIELD = Path(__file__).parents[1] / "field"


def read_field(name: str) -> str:
    """Return the text of a file from the field as it is, with its line ends."""
    return (FIELD / f"tracing-{name}.oma").read_bytes().decode()


def find_remarks(text: str, *, mirror: bool = False) -> list[str]:
    """Return what is odd about a text."""
    return [str(each) for each in parse_tracing(text, mirror=mirror).remarks]


def find_refusal(text: str) -> str:
    """Return the message with which a text is refused."""
    with pytest.raises(TracingRefused) as refused:
        parse_tracing(text)
    return str(refused.value)


def asymmetric(points: int, width: float = 50.0, height: float = 35.0) -> tuple[int, ...]:
    """Radii of a right lens of our own making: a superellipse that is fuller at the temple."""
    radii = []
    for turn in (math.tau * each / points for each in range(points)):
        x, y = abs(math.cos(turn)) / (width / 2), abs(math.sin(turn)) / (height / 2)
        lobe = 1 - 0.08 * math.cos(turn) + 0.05 * math.sin(2 * turn)
        radii.append(round(100 * lobe * (x**2.6 + y**2.6) ** (-1 / 2.6)))
    return tuple(radii)


def write_data(label: str, numbers: Sequence[int]) -> str:
    """Return lines of ten numbers."""
    starts = range(0, len(numbers), 10)
    return "".join(f"{label}={';'.join(map(str, numbers[s : s + 10]))}\r\n" for s in starts)


def write_pair(points: int) -> str:
    """Return a whole file of our own making: a mirrored pair of an asymmetric shape."""
    right = Trace("R", asymmetric(points))
    left = right.mirror()
    text = f"DBL=17.00\r\nHBOX={right.a};{left.a}\r\nVBOX={right.b};{left.b}\r\n"
    for trace in (right, left):
        text += f"TRCFMT=1;{points};E;{trace.side};F\r\n{write_data('R', trace.radii)}"
    return text


def ellipse(a: float, b: float, points: int) -> tuple[int, ...]:
    """Radii of an ellipse in a box of a x b mm."""
    turns = (math.tau * each / points for each in range(points))
    return tuple(
        round(100 / math.hypot(math.cos(turn) / (a / 2), math.sin(turn) / (b / 2)))
        for turn in turns
    )


def _numbers(low: int, high: int, size: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(low, high), min_size=size, max_size=size).map(tuple)


def _angles(size: int) -> st.SearchStrategy[tuple[int, ...]]:
    rising = st.lists(st.integers(0, FULL_CIRCLE - 1), min_size=size, max_size=size, unique=True)
    return st.just(()) | rising.map(lambda found: tuple(sorted(found)))


@st.composite
def _depths(draw: st.DrawFn) -> Depth:
    size = draw(st.integers(3, 40))
    return Depth(draw(_numbers(-2000, 2000, size)), draw(_angles(size)))


@st.composite
def _traces(draw: st.DrawFn, side: str) -> Trace:
    size = draw(st.integers(3, 60))
    return Trace(
        side,
        draw(_numbers(500, 6000, size)),
        draw(_angles(size)),
        draw(st.sampled_from(["", "F", "P", "D"])),
        draw(st.none() | _depths()),
    )


FIELDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters=";\x7f"))
VENDOR_LABELS = st.from_regex(r"_[A-Z0-9_]{1,31}", fullmatch=True).filter(
    lambda label: not label.endswith("FMT")
)
LABELS = VENDOR_LABELS | st.sampled_from(["JOB", "DBL", "HBOX", "VBOX", "FTYP", "DRILLE"])
DATA = st.builds(
    Record, st.sampled_from(["R", "A", "Z", "ZA", "L", "STHK"]), st.just(("1800", "-2", "x"))
)
SECTIONS = st.builds(
    Section,
    st.builds(Record, st.sampled_from(["STHKFMT", "CRIBFMT", "_OURFMT"]), st.just(("1", "24"))),
    st.lists(DATA, max_size=3).map(tuple),
)


@st.composite
def tracings(draw: st.DrawFn) -> Tracing:
    """Any tracing that a text can hold."""
    fields = FIELDS.filter(lambda text: all(each.isprintable() for each in text))
    records = st.builds(Record, LABELS, st.lists(fields, min_size=1, max_size=4).map(tuple))
    sides = draw(st.sampled_from(["R", "L", "RL"]))
    return Tracing(
        {side: draw(_traces(side)) for side in sides},
        tuple(draw(st.lists(records, max_size=6))),
        sections=tuple(draw(st.lists(SECTIONS, max_size=2))),
    )

"""Tracings for tests: texts of well-formed files, and strategies of what may stand in one."""

import math

from hypothesis import strategies as st

from orders_svc.rules.traces import FULL_CIRCLE, Depth, Record, Trace, Tracing

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
LABELS = st.from_regex(r"_[A-Z0-9_]{1,31}", fullmatch=True) | st.sampled_from(
    ["JOB", "DBL", "HBOX", "VBOX", "FTYP", "DRILLE"]
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
    )

"""Shapes of tracings: where a trace begins, its mirror image, and how long reading takes."""

import math
import time
from collections.abc import Sequence

import pytest

from orders_svc.rules.traces import Trace, compare_sides
from orders_svc.rules.tracing import parse_tracing
from tests.orders_svc.traced import (
    BOTH,
    FIELD_EYE,
    ONE,
    asymmetric,
    find_refusal,
    find_remarks,
    read_field,
    write_data,
    write_pair,
)

PAIR = {"right_eye": FIELD_EYE, "left_eye": FIELD_EYE}
GOOD = read_field("left-not-mirrored").partition("TRCFMT=1;120;E;L")[0]  # the right trace


# Uneven angles


def write_uneven(radii: Sequence[int], angles: Sequence[int]) -> str:
    """A right trace in mode U."""
    header = f"DBL=17\r\nTRCFMT=1;{len(radii)};U;R;F\r\n"
    return header + write_data("R", radii) + write_data("A", angles)


STEPS = [900] * 40
RADII = asymmetric(40)
PLAIN = tuple(range(0, 36000, 900))


@pytest.mark.parametrize("start", [0, 1, 39])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("wraps", [False, True])
def test_a_trace_may_begin_at_any_angle_and_be_closed(
    start: int, closed: bool, wraps: bool
) -> None:
    radii = [*RADII[start:], *RADII[:start]]
    angles = [PLAIN[start] + 900 * each for each in range(40)]
    if closed:
        radii.append(radii[0] + 2)  # measured again
        angles.append(angles[0] + 36000)
    if wraps:
        angles = [each % 36000 for each in angles]
    trace = parse_tracing(write_uneven(radii, angles)).traces["R"]
    assert trace == Trace("R", RADII, PLAIN, "F")
    assert trace.measure() == Trace("R", RADII).measure()


def test_a_negative_start_is_an_angle_too() -> None:
    angles = [each - 18000 for each in PLAIN]
    trace = parse_tracing(write_uneven([*RADII[20:], *RADII[:20]], angles)).traces["R"]
    assert trace == Trace("R", RADII, PLAIN, "F")


@pytest.mark.parametrize(
    "angles",
    [
        [*reversed(PLAIN)],  # clockwise
        [each * 2 for each in PLAIN],  # twice around
        [*PLAIN[:20], *PLAIN[19:39]],  # one angle again
        [*PLAIN[:5], PLAIN[6], PLAIN[5], *PLAIN[7:]],
        [*PLAIN[1:], 36900],
    ],
)
def test_angles_that_do_not_go_round_once_are_refused(angles: list[int]) -> None:
    assert find_refusal(write_uneven(RADII, angles)).startswith("Line 2: The ")


def test_depths_may_be_closed_and_begin_anywhere_too() -> None:
    depths = "ZFMT=1;5;U;R;F\nZ=2;3;4;1;2\nZA=9000;18000;27000;0;9000\n"
    depth = parse_tracing(ONE.partition("ZFMT")[0] + depths).traces["R"].depth
    assert depth is not None
    assert (depth.values, depth.angles) == ((1, 2, 3, 4), (0, 9000, 18000, 27000))


# Mirrored sides


@pytest.mark.parametrize("points", [20, 21, 360, 361])
def test_a_mirrored_trace_is_the_other_lens(points: int) -> None:
    trace = Trace("R", asymmetric(points), (), "F")
    image = trace.mirror()
    assert image.side == "L"
    assert image.measure() == pytest.approx(trace.measure(), abs=0.02)
    turned = [(-x, y) for x, y in image.to_points()]
    assert all(min(math.dist(at, each) for each in turned) < 0.02 for at in trace.to_points())
    back = image.mirror()
    assert (back.side, back.radii) == (trace.side, trace.radii)


def test_one_traced_eye_stands_for_both_on_request() -> None:
    found = parse_tracing(GOOD, mirror=True)
    pair = parse_tracing(read_field("uneven-closed"))
    assert found.measure() == PAIR
    assert list(found.traces) == ["R", "L"]
    assert found.traces["L"].radii == pair.traces["L"].radii
    assert find_remarks(GOOD, mirror=True) == [
        "There is no trace of the left side: the right one, mirrored, stands for it."
    ]
    assert find_remarks(GOOD)[0] == "There is no trace of the left side."


def test_depths_are_mirrored_and_holes_are_not() -> None:
    text = ONE.replace("Z=0;35;60;35;0;35;60;35", "Z=0;1;2;3;4;5;6;7")
    found = parse_tracing("DRILLE=R;CR;25;10\n" + text, mirror=True)
    assert found.traces["L"].depth is not None
    assert found.traces["L"].depth.values == (4, 3, 2, 1, 0, 7, 6, 5)
    assert found.traces["L"].angles == found.traces["R"].angles  # which are symmetrical
    assert "The drill holes, DRILLE, are not mirrored." in map(str, found.remarks)


def test_a_box_of_a_mirrored_side_is_compared() -> None:
    text = GOOD.replace("HBOX=50.20;50.20", "HBOX=50.20;46")
    assert "Line 3: HBOX of the left side is 46 mm; the trace measures 50.2 mm." in (
        find_remarks(text, mirror=True)
    )


def test_both_traced_eyes_are_what_they_are() -> None:
    text = read_field("left-not-mirrored")
    assert parse_tracing(text, mirror=True) == parse_tracing(text)


@pytest.mark.parametrize("points", [20, 72, 120, 361, 1000])
def test_a_pair_is_told_from_a_copy(points: int) -> None:
    right = Trace("R", asymmetric(points))
    mirrored, unmirrored = compare_sides(right, right.mirror())
    assert mirrored < 0.1 < 1 < unmirrored
    copy = f"TRCFMT=1;{points};E;L\n{write_data('R', right.radii)}"
    text = f"TRCFMT=1;{points};E;R\n{write_data('R', right.radii)}{copy}"
    assert any("unmirrored" in each for each in find_remarks(text))
    assert not any("unmirrored" in each for each in find_remarks(write_pair(points)))
    assert not any("unmirrored" in each for each in find_remarks(BOTH))


# Speed


@pytest.mark.parametrize("points", [20, 360, 512, 1000])
def test_a_file_is_parsed_within_a_generous_bound(points: int) -> None:
    text = write_pair(points)
    assert len(parse_tracing(text).traces) == 2
    times = []
    for _ in range(5):
        start = time.process_time()
        parse_tracing(text)
        times.append(time.process_time() - start)
    assert min(times) < 0.1  # a few milliseconds, on a machine that nobody else uses

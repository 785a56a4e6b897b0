"""The tracing of the demo's order: computed, without a remark, and smooth as a lens is."""

import json
import math
from pathlib import Path

from demo.tracing import POINTS, build_tracing
from orders_svc.rules.tracing import parse_tracing

ORDER = Path(__file__).parents[2] / "demo" / "order.json"
MEASURES = {"a": 50.0, "b": 34.0, "lens_ed": 50.0, "circumference": 138.43}


def test_it_works() -> None:
    tracing = parse_tracing(json.loads(ORDER.read_text())["frame"]["tracing"])
    assert not tracing.remarks
    assert tracing.dbl == 18
    for trace in tracing.traces.values():
        assert len(trace.radii) == POINTS
        assert trace.measure() == MEASURES
    right, left = tracing.traces["R"], tracing.traces["L"]
    assert right.mirror() == left
    assert right.radii != left.radii


def test_the_file_has_what_the_formula_returns() -> None:
    assert json.loads(ORDER.read_text())["frame"]["tracing"] == build_tracing("1001")


def test_the_outline_is_smooth_and_bulges_outward() -> None:
    points = parse_tracing(build_tracing("1001")).traces["R"].to_points()[::8]
    ends = zip(points, points[1:] + points[:1], strict=True)
    ways = [math.atan2(y - b, x - a) for (a, b), (x, y) in ends]
    turns = [(to - at) % math.tau for at, to in zip(ways, ways[1:] + ways[:1], strict=True)]
    assert all(turn < math.pi / 8 for turn in turns)
    assert math.isclose(sum(turns), math.tau)

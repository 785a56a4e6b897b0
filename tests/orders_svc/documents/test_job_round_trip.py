"""Round trip of a job: our parser reads the figures of the order back from its job text."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optics.powers import to_eighth
from orders_svc.documents.job import write_job
from orders_svc.documents.job_text import write_tracing
from orders_svc.rules.traces import SIDES, Tracing
from orders_svc.rules.tracing import parse_tracing
from tests.orders_svc.bodies import Body, example
from tests.orders_svc.documents.test_job import LENS
from tests.orders_svc.traced import ONE, tracings

FIGURES = {
    "SPH": "sphere",
    "CYL": "cylinder",
    "AX": "axis",
    "ADD": "add",
    "IPD": "pd",
    "NPD": "near_pd",
    "SEGHT": "seg_height",
    "OCHT": "oc_height",
}


def decimals(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers of at most three decimals, which a job carries as they are."""
    whole = st.integers(math.ceil(low * 1000), math.floor(high * 1000))
    return whole.map(lambda each: each / 1000)


PRISM = {"power": decimals(0.01, 50)}
EYE = st.fixed_dictionaries(
    {"sphere": decimals(-30, 30)},
    optional={
        "pd": decimals(20, 50),
        "near_pd": decimals(20, 50),
        "oc_height": decimals(0.5, 50),
        "horizontal_prism": st.fixed_dictionaries(
            {**PRISM, "direction": st.sampled_from(["in", "out"])}
        ),
        "vertical_prism": st.fixed_dictionaries(
            {**PRISM, "direction": st.sampled_from(["up", "down"])}
        ),
    },
)
CYLINDER: st.SearchStrategy[Body] = st.just({}) | st.fixed_dictionaries(
    {"cylinder": decimals(-20, 20), "axis": st.integers(1, 180)}
)
ADD: st.SearchStrategy[Body] = st.just({}) | st.fixed_dictionaries(
    {"add": decimals(0.5, 5), "seg_height": decimals(0.5, 50)}
)
EYES = st.tuples(EYE, CYLINDER, ADD).map(lambda parts: parts[0] | parts[1] | parts[2])
FRAMES = st.fixed_dictionaries(
    {"eye_size": decimals(10, 100), "bridge": decimals(10, 100)},
    optional={
        "a": decimals(10, 100),
        "b": decimals(10, 100),
        "lens_ed": decimals(10, 100),
        "vertex": decimals(1, 30),
        "pantoscopic_tilt": decimals(-20, 20),
    },
)
POWERS = ("sphere", "cylinder", "add")
MEASURES = ("a", "b", "lens_ed", "vertex", "pantoscopic_tilt")


@st.composite
def orders(draw: st.DrawFn) -> Body:
    """Orders of one eye or two, with every figure that a job carries."""
    order = example()
    names = draw(st.sampled_from([["right_eye"], ["left_eye"], ["left_eye", "right_eye"]]))
    order["rx"] = {name: draw(EYES) for name in names}
    frame = {name: value for name, value in order["frame"].items() if name not in MEASURES}
    order["frame"] = frame | draw(FRAMES)
    return order


def read_eye(job: Tracing, side: str) -> dict[str, Any]:
    """Return the figures of an eye that a job has."""
    found = {name: job.find_number(label, side) for label, name in FIGURES.items()}
    return {name: value for name, value in found.items() if value is not None}


def read_prism(job: Tracing, side: str) -> tuple[float, float]:
    """Return the horizontal prism, positive for base in, and the vertical one, for base up."""
    power, base = job.find_number("PRVM", side) or 0, job.find_number("PRVA", side) or 0
    turn = math.radians(base)
    inward = power * math.cos(turn) * (1 if side == "R" else -1)
    return inward, power * math.sin(turn)


def sent_prism(eye: Body) -> tuple[float, float]:
    """Return the prisms of an eye with their signs."""
    horizontal, vertical = (eye.get(f"{name}_prism", {}) for name in ("horizontal", "vertical"))
    signs = {"in": 1, "up": 1, "out": -1, "down": -1, None: 0}
    return (
        horizontal.get("power", 0) * signs[horizontal.get("direction")],
        vertical.get("power", 0) * signs[vertical.get("direction")],
    )


def check(job: Tracing, order: Body) -> None:
    """Assert that a job that was read has the figures of its order."""
    for side, word in SIDES.items():
        eye = order["rx"].get(f"{word}_eye")
        wanted = {} if eye is None else {"cylinder": 0.0, **eye}
        # What is left of an eighth is written as it is computed.
        wanted |= {name: to_eighth(wanted[name]) for name in POWERS if name in wanted}
        assert read_eye(job, side) == {k: v for k, v in wanted.items() if "prism" not in k}
        assert read_prism(job, side) == pytest.approx(sent_prism(eye or {}), abs=0.06)
    frame = order["frame"]
    for label, name in (("EYESIZ", "eye_size"), ("BRGSIZ", "bridge")):
        assert job.find_number(label) == frame[name]
    for label, name in (("BVD", "vertex"), ("PANTO", "pantoscopic_tilt")):
        assert {job.find_number(label, side) for side in SIDES} == {frame.get(name)}


@given(orders())
def test_an_order_without_a_tracing_is_read_back(order: Body) -> None:
    # The parser wants a trace: one of another file is put below the job.
    trace = ONE.partition("TRCFMT")[2]
    job = parse_tracing(write_job("ord_1", order, LENS) + "TRCFMT" + trace)
    check(job, order)
    frame = order["frame"]
    box = {"HBOX": frame.get("a", frame["eye_size"]), "VBOX": frame.get("b")}
    box |= {"FED": frame.get("lens_ed"), "CIRC": None, "DBL": frame["bridge"]}
    for label, value in box.items():
        assert {job.find_number(label, side) for side in SIDES} == {value}


@given(orders(), tracings(), st.booleans())
def test_an_order_with_a_tracing_is_read_back(order: Body, sent: Tracing, mirror: bool) -> None:
    tracing = parse_tracing(write_tracing(sent), mirror=mirror)
    job = parse_tracing(write_job("ord_1", order, LENS, tracing))
    check(job, order)
    assert job.traces == tracing.traces
    assert job.dbl == pytest.approx(tracing.dbl or order["frame"]["bridge"], abs=0.0006)
    assert not any("measures" in str(each) for each in job.remarks)
    for side in SIDES:
        trace = tracing.traces.get(side)
        wanted = [trace.a, trace.b, trace.ed, trace.circumference] if trace else [None] * 4
        assert [job.find_number(each, side) for each in ("HBOX", "VBOX", "FED", "CIRC")] == wanted

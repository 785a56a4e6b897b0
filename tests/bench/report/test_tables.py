"""The report: medians, ratios and own costs, in one self-contained page."""

import re
from html.parser import HTMLParser

import pytest

from bench.load.generator import PERCENTILES
from bench.report.measure import Rows, Sample
from bench.report.outcome import (
    CORE_INSERT,
    DIRECT,
    DRIVER_INSERT,
    HOP,
    NULL_CALL,
    NULL_ROUTE,
    POST_ORDER,
    Memory,
    Outcome,
)
from bench.report.page import build_page
from bench.report.tables import (
    build_table,
    list_figures,
    list_memory,
    list_own_costs,
    list_ratios,
    tail_latencies,
)

OPEN_LOOP = f"{POST_ORDER}, open loop at 200/s"


def build_sample(throughput: float, milliseconds: float, **cpu: float) -> Sample:
    """A round in which every percentile is the same."""
    return Sample(throughput, dict.fromkeys(PERCENTILES, milliseconds), {}, cpu, 50.0)


@pytest.fixture
def outcome() -> Outcome:
    """A run on one engine: Optigate three times as fast as a peer."""
    rows = Rows()
    for throughput in (100.0, 900.0, 600.0):
        rows.add(
            "sqlite", POST_ORDER, "optigate", build_sample(throughput, 20, gateway=300, orders=700)
        )
    rows.add("sqlite", POST_ORDER, "peer <1>", build_sample(200, 80, **{"peer <1>": 4000}))
    rows.add("sqlite", DIRECT, "optigate", build_sample(1200, 10, orders=600))
    for name, ours in (("optigate", 4), ("peer <1>", 8)):
        rows.add("sqlite", OPEN_LOOP, name, build_sample(200, ours, **{name: 1}))
    for work, cpu in ((NULL_ROUTE, 100), (NULL_CALL, 150), (HOP, 500), (CORE_INSERT, 200)):
        rows.add("sqlite", work, work, build_sample(1, 1, process=cpu))
    rows.add("sqlite", DRIVER_INSERT, DRIVER_INSERT, Sample(1, {}, {}, {"loop": 50}, 0))
    memory = {"optigate": Memory({"gateway": 90, "orders": 60}, {"gateway": 120.4, "orders": 70})}
    return Outcome("a machine", 200.0, rows, {"sqlite": memory}, notes=["a <note>"])


def test_a_row_is_the_median_of_its_rounds(outcome: Outcome) -> None:
    row = outcome.rows.find("sqlite", POST_ORDER, "optigate")
    assert row is not None
    assert (row.throughput, row.total_cpu, row.latencies["p99"]) == (600, 1000, 20)


def test_ratios_are_ours_to_theirs(outcome: Outcome) -> None:
    assert list_ratios(outcome.rows, "sqlite")[1:] == [
        [POST_ORDER, "peer <1>", "3.00", "0.25", "0.25", "0.25"],
        [OPEN_LOOP, "peer <1>", "1.00", "0.50", "0.50", "1.00"],
        ["gRPC directly / POST by HTTP", "itself", "2.00", "0.50", "0.50", "0.60"],
        ["gRPC directly / POST by HTTP", "peer <1>", "6.00", "0.12", "0.12", "0.15"],
    ]


def test_the_p99_under_saturation_and_at_a_steady_rate_are_side_by_side(outcome: Outcome) -> None:
    head, *cells = tail_latencies(outcome, "sqlite")
    assert head[1:3] == ["closed loop", "open loop at 200/s"]
    assert cells == [
        ["optigate", "20.0", "4.0", "1.00", "1.00"],
        ["peer <1>", "80.0", "8.0", "0.25", "0.50"],
    ]


def test_the_cpu_time_of_the_gateway_is_among_the_figures(outcome: Outcome) -> None:
    head, ours, peer = list_figures(outcome.rows.of("sqlite", POST_ORDER))
    at = head.index("gateway us")
    assert (ours[at], peer[at]) == ("300", "")


def test_memory_is_that_at_rest_and_after_a_load(outcome: Outcome) -> None:
    assert list_memory(outcome, "sqlite") == [
        ["", "at rest", "after the load", "of which"],
        ["optigate", "150", "190", "gateway 120, orders 70"],
    ]


def test_our_own_cost_is_what_is_above_the_floors(outcome: Outcome) -> None:
    assert [cells[1:] for cells in list_own_costs(outcome.rows, "sqlite")[1:]] == [
        ["300", "30%"],
        ["700", "70%"],
        ["1000", "100%"],
        ["300", "30%"],
        ["700", "70%"],
        ["700", "70%"],
        ["300", "30%"],
    ]


def test_the_table_names_what_was_broken(outcome: Outcome) -> None:
    assert build_table(outcome).endswith("Broken promises\n  none")
    outcome.broken.append("2 ids were assigned twice")
    assert build_table(outcome).endswith("Broken promises\n  2 ids were assigned twice")


def test_the_page_stands_alone(outcome: Outcome) -> None:
    text = build_page(outcome)
    HTMLParser().feed(text)
    assert not re.findall(r"(?:src|href)=|<script|<link|@import|url\(", text)
    assert text.count("<svg") == text.count("</svg>") >= 7
    assert "peer &lt;1&gt;" in text
    assert "peer <1>" not in text

"""The report: medians, ratios, what is our own; one page with nothing beside it."""

import re
from html.parser import HTMLParser

import pytest

from bench.experiments.compare import (
    DIRECT,
    HOP,
    INSERT,
    NULL_CALL,
    NULL_ROUTE,
    POST_ORDER,
    Outcome,
)
from bench.experiments.floors import CORE, RAW
from bench.load.generator import PERCENTILES
from bench.report.measure import Rows, Sample
from bench.report.page import page
from bench.report.tables import own_cost, ratios, table


def sample(throughput: float, milliseconds: float, **cpu: float) -> Sample:
    """A round in which every percentile is the same."""
    return Sample(throughput, dict.fromkeys(PERCENTILES, milliseconds), {}, cpu, 50.0)


@pytest.fixture
def outcome() -> Outcome:
    """A run on one engine: Optigate three times as fast as a peer."""
    rows = Rows()
    for throughput in (100.0, 900.0, 600.0):
        rows.add("sqlite", POST_ORDER, "optigate", sample(throughput, 20, gateway=300, orders=700))
    rows.add("sqlite", POST_ORDER, "peer <1>", sample(200, 80, **{"peer <1>": 4000}))
    rows.add("sqlite", DIRECT, "optigate", sample(1200, 10, orders=600))
    for work, cpu in ((NULL_ROUTE, 100), (NULL_CALL, 150), (HOP, 500), (INSERT[CORE], 200)):
        rows.add("sqlite", work, work, sample(1, 1, process=cpu))
    rows.add("sqlite", INSERT[RAW], INSERT[RAW], Sample(1, {}, {}, {"loop": 50}, 0))
    memory = {"sqlite": {"optigate": {"gateway": 160_000_000, "orders": 90_000_000}}}
    return Outcome("a machine", rows, memory, notes=["a <note>"])


def test_a_row_is_the_median_of_its_rounds(outcome: Outcome) -> None:
    row = outcome.rows.find("sqlite", POST_ORDER, "optigate")
    assert row is not None
    assert (row.throughput, row.total_cpu, row.latencies["p99"]) == (600, 1000, 20)


def test_ratios_are_ours_to_theirs(outcome: Outcome) -> None:
    assert ratios(outcome.rows, "sqlite")[1:] == [
        [POST_ORDER, "peer <1>", "3.00", "0.25", "0.25", "0.25"],
        ["gRPC directly / HTTP", "itself", "2.00", "0.50", "0.50", "0.60"],
    ]


def test_our_own_cost_is_what_stands_above_the_floors(outcome: Outcome) -> None:
    assert [cells[1:] for cells in own_cost(outcome.rows, "sqlite")[1:]] == [
        ["300", "30%"],
        ["700", "70%"],
        ["1000", "100%"],
        ["300", "30%"],
        ["700", "70%"],
        ["700", "70%"],
        ["300", "30%"],
    ]


def test_the_table_names_what_was_broken(outcome: Outcome) -> None:
    assert table(outcome).endswith("Broken promises\n  none")
    outcome.broken.append("2 ids were given twice")
    assert table(outcome).endswith("Broken promises\n  2 ids were given twice")


def test_the_page_stands_alone(outcome: Outcome) -> None:
    text = page(outcome)
    HTMLParser().feed(text)
    assert not re.findall(r"(?:src|href)=|<script|<link|@import|url\(", text)
    assert text.count("<svg") == text.count("</svg>") >= 7
    assert "peer &lt;1&gt;" in text
    assert "peer <1>" not in text

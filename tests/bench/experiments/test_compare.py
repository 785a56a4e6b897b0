"""The comparison in a short form: whether it runs and keeps its promises, not how fast it is."""

from pathlib import Path

import pytest

from bench.experiments.compare import Plan, compare
from bench.report.outcome import DIRECT, FLOORS, GET_ORDER, GET_SUBSCRIPTION, POST_ORDER
from bench.report.page import build_page
from bench.report.tables import build_table

# Several processes are started, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)

PEERS = {"sqlite": "by_the_book", "postgresql": "fastapi"}
STARTS_ONCE = {"sqlite": True, "postgresql": False}  # the two ways to measure memory


def test_it_works(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    peer = PEERS[engine]
    plan = Plan(
        (engine,),
        rounds=1,
        seconds=0.4,
        connections=4,
        rate=20,
        warmup=0.1,
        contenders=("optigate", peer),
        starts_once=STARTS_ONCE[engine],
    )
    outcome = compare(plan)
    assert outcome.broken == []

    rows = outcome.rows
    for work in (POST_ORDER, GET_ORDER, GET_SUBSCRIPTION, outcome.open_loop):
        assert [row.contender for row in rows.of(engine, work)] == ["optigate", peer]
    assert set(rows.works(engine)) - {outcome.open_loop} == {
        POST_ORDER,
        GET_ORDER,
        GET_SUBSCRIPTION,
        DIRECT,
        *FLOORS,
    }
    assert all(row.throughput for work in rows.works(engine) for row in rows.of(engine, work))
    ours = outcome.memory[engine]["optigate"]
    assert set(ours.at_rest) == {"sessions", "orders", "subscriptions", "gateway"}
    assert all(size > 1 for size in (*ours.at_rest.values(), *ours.after_load.values()))
    less = [note for note in outcome.notes if "does less work" in note]
    # No peer keeps an order's life: what may be done with it, and what has happened to it.
    (life,) = [note for note in less if "GET /v1/orders/:id has no available_actions" in note]
    less.remove(life)
    if peer == "by_the_book":
        assert less == ["sqlite, by_the_book does less work: it accepts a number as text"]
    else:
        assert less == []

    table = build_table(outcome)
    assert ("all contenders up" if STARTS_ONCE[engine] else "each contender alone") in table
    assert f"p99 of {POST_ORDER}" in table
    assert peer in table
    assert peer in build_page(outcome)

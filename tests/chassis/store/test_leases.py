"""Rows leased to one worker at a time, and the delays between attempts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, null, select

from chassis.store.database import Database
from chassis.store.leases import Backoff, Leases
from tests.chassis.probe import jobs
from tests.chassis.store.conftest import Open

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=1)
LEASES = Leases(jobs.c.id, jobs.c.tries, jobs.c.kind == bindparam("where_kind"))


def add(database: Database, *due: timedelta, kind: str = "a") -> None:
    rows = [{"kind": kind, "due_at": NOW + each, "tries": 0} for each in due]
    with database.write() as tx:
        tx.execute(insert(jobs), rows)


def take(database: Database, limit: int = 1, at: timedelta = timedelta(), kind: str = "a") -> Any:
    with database.write() as tx:
        return LEASES.take(tx, limit, NOW + at, LEASE, where_kind=kind)


def settle(database: Database, row: Any, **values: Any) -> bool:
    with database.write() as tx:
        return LEASES.settle(tx, row, values)


def test_the_rows_that_have_waited_longest_are_taken_for_the_lease(opened: Open) -> None:
    database, second = opened(), timedelta(seconds=1)
    add(database, -second, -3 * second, timedelta(), second)
    add(database, -9 * second, kind="b")
    rows = take(database, limit=2)
    assert sorted((row.id, row.tries, row.due_at) for row in rows) == [
        (1, 1, NOW + LEASE),
        (2, 1, NOW + LEASE),
    ]
    assert [row.id for row in take(database, limit=9)] == [3]
    assert take(database, limit=9) == []
    assert [row.id for row in take(database, kind="b")] == [5]
    again = take(database, limit=9, at=LEASE)
    assert sorted((row.id, row.tries) for row in again) == [(1, 2), (2, 2), (3, 2), (4, 1)]


def test_a_row_is_settled_by_whoever_holds_its_lease(opened: Open) -> None:
    database = opened()
    add(database, timedelta())
    (lost,) = take(database)
    (held,) = take(database, at=2 * LEASE)
    assert not settle(database, lost, due_at=null())
    assert settle(database, held, due_at=NOW + 5 * LEASE)
    assert not settle(database, held, due_at=null())
    (row,) = take(database, at=5 * LEASE)
    with database.write() as tx:
        assert not LEASES.settle(tx, row, {"due_at": null()}, jobs.c.kind == "b")
        assert LEASES.settle(tx, row, {"due_at": null()}, jobs.c.kind == "a")
        assert tx.execute(select(jobs.c.due_at)).scalar() is None


def test_no_row_is_taken_twice_by_workers_at_once(opened: Open) -> None:
    database = opened()
    add(database, *[timedelta()] * 24)
    with ThreadPoolExecutor(8) as pool:
        taken = [row.id for rows in pool.map(lambda _: take(database, 3), range(8)) for row in rows]
    left = [row.id for row in take(database, 24)]  # rows that were locked are passed over
    assert sorted(taken + left) == list(range(1, 25))


def test_delays_grow_to_their_limit_with_jitter_around_them() -> None:
    backoff = Backoff(timedelta(seconds=10), timedelta(minutes=1), factor=3, jitter=0.2)
    assert [backoff.compute_delay(attempts, 0.5).total_seconds() for attempts in (1, 2, 3, 99)] == [
        10,
        30,
        60,
        60,
    ]
    assert [backoff.compute_delay(1, chance).total_seconds() for chance in (0, 1)] == [8, 12]

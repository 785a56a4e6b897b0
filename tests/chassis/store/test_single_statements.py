"""Connections for single statements stay at hand, with no old snapshot, and nobody lacks them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from chassis.errors import Overloaded
from chassis.store.database import MAX_AT_HAND, MAX_CONNECTIONS, Database
from chassis.store.prepared import Prepared
from tests.chassis.probe import notes, put
from tests.chassis.store.conftest import Open

NOTES = select(notes.c.text).order_by(notes.c.text)
PREPARED = Prepared(NOTES)
ADD = Prepared(insert(notes))
END_OTHERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
ON_POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


def list_notes(database: Database) -> list[str]:
    with database.read(single=True) as tx:
        return [row.text for row in PREPARED.all(tx, {})]


def fill(database: Database, readers: int) -> None:
    """Have single statements at once, so that their connections are at hand."""
    together = Barrier(readers)

    def read(_number: int) -> None:
        with database.read(single=True) as tx:
            PREPARED.all(tx, {})
            together.wait(10)

    with ThreadPoolExecutor(readers) as threads:
        list(threads.map(read, range(readers)))


def count_used(database: Database) -> int:
    pool: Any = database.engine.pool
    return int(pool.checkedout())


def test_a_kept_connection_sees_each_commit(opened: Open) -> None:
    database = opened()
    for number in range(3):
        put(database, str(number))
        assert len(list_notes(database)) == number + 1
        with database.read(single=True) as tx:
            first = PREPARED.first(tx, {})
        assert first is not None
        assert first.text == "0"
    assert len(database.at_hand) == 1


def test_rows_that_nobody_reads_keep_no_snapshot(database: Database) -> None:
    put(database, "a")
    put(database, "b")
    with database.read(single=True) as tx:
        assert tx.execute(NOTES).fetchone() is not None
    assert not database.at_hand
    put(database, "c")
    assert len(list_notes(database)) == 3
    database.shrink_log()
    assert Path(f"{database.url.database}-wal").stat().st_size == 0


def test_a_connection_with_an_error_is_not_kept(opened: Open) -> None:
    database = opened()
    list_notes(database)
    with pytest.raises(ZeroDivisionError), database.read(single=True):
        raise ZeroDivisionError
    assert not database.at_hand
    with pytest.raises(DBAPIError), database.read(single=True) as tx:
        tx.execute(text("SELECT * FROM nothing"))
    with pytest.raises(Overloaded), database.read(single=True):
        raise TimeoutError
    assert not database.at_hand


def test_some_are_kept_until_the_end(opened: Open) -> None:
    database = opened()
    fill(database, MAX_CONNECTIONS - 1)
    assert len(database.at_hand) == MAX_AT_HAND
    assert count_used(database) == MAX_AT_HAND
    database.close()
    assert not database.at_hand


def test_what_is_at_hand_is_given_to_whoever_lacks_it(opened: Open) -> None:
    database = opened()
    fill(database, MAX_CONNECTIONS - 1)
    with ExitStack() as all_at_once:
        for _ in range(MAX_CONNECTIONS):
            tx = all_at_once.enter_context(database.read())
            assert not tx.execute(NOTES).all()


def test_two_who_look_at_once_lack_none(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    database = opened()
    fill(database, MAX_AT_HAND)
    pool: Any = database.engine.pool
    count, looking, reading = pool.checkedout, Barrier(2), Barrier(2)

    def look() -> int:
        found = int(count())
        looking.wait(10)  # with the last one in the pool
        return found

    def read(_number: int) -> None:
        with database.read():
            reading.wait(10)

    with ExitStack() as others:
        for _ in range(MAX_CONNECTIONS - MAX_AT_HAND - 1):
            others.enter_context(database.read())
        monkeypatch.setattr(pool, "checkedout", look)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(read, range(2)))


def test_while_somebody_waits_none_is_kept(opened: Open) -> None:
    database = opened()
    found: list[str] = []

    def read() -> None:
        with database.read() as tx:
            found.append(tx.execute(text("SELECT 'found'")).scalar_one())

    with ExitStack() as others:
        for _ in range(MAX_CONNECTIONS - 1):
            others.enter_context(database.read())
        with database.read(single=True) as tx:
            PREPARED.all(tx, {})
            waiting = threading.Thread(target=read)
            waiting.start()
            waiting.join(0.2)
            assert not found
        waiting.join(10)
        assert found == ["found"]


@ON_POSTGRESQL
def test_a_write_of_one_statement_uses_them_too(opened: Open) -> None:
    database = opened()
    list_notes(database)
    (kept,) = database.at_hand
    with database.write(single=True) as tx:
        ADD.execute(tx, {"text": "a"})
    assert database.at_hand == [kept]
    assert list_notes(opened()) == ["a"]


@ON_POSTGRESQL
def test_a_write_with_an_error_leaves_nothing(opened: Open) -> None:
    database = opened()

    def fail() -> None:
        with database.write(single=True) as tx:
            tx.execute(text("SELECT * FROM nothing"))

    with pytest.raises(DBAPIError):
        fail()
    assert not database.at_hand
    assert not count_used(database)


@ON_POSTGRESQL
def test_a_server_that_went_is_noticed_once(opened: Open) -> None:
    database, killer = opened(), opened()
    fill(database, MAX_AT_HAND)
    assert len(database.at_hand) == MAX_AT_HAND
    with killer.read() as tx:
        tx.execute(END_OTHERS)
    with pytest.raises(Overloaded):
        list_notes(database)
    assert not database.at_hand
    fill(database, MAX_AT_HAND)

"""Writers that share a commit: each keeps its own part, and none is answered before it."""

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, event, insert, select
from sqlalchemy.exc import IntegrityError

from chassis.errors import Busy, Overloaded
from chassis.store import sqlite as sqlite_store
from chassis.store.database import Database

metadata = MetaData()
notes = Table("notes", metadata, Column("number", Integer, primary_key=True))
Act = Callable[[Connection], object]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/commits.db")
    metadata.create_all(made.engine)
    yield made
    made.close()


@pytest.fixture
def commits(database: Database) -> list[int]:
    """One entry for each commit of the store."""
    seen: list[int] = []
    event.listen(database.engine, "commit", lambda _: seen.append(1))
    return seen


def put(number: int) -> Act:
    return lambda tx: tx.execute(insert(notes).values(number=number))


def fail(tx: Connection) -> None:
    put(99)(tx)
    raise ValueError("no")


def again(tx: Connection) -> None:
    put(7)(tx)


def lose(tx: Connection) -> None:
    """What SQLite does by itself when the disk is full."""
    tx.connection.driver_connection.execute("ROLLBACK")  # type: ignore[union-attr]
    raise ValueError("lost")


def list_kept(database: Database) -> list[int]:
    with database.read() as tx:
        return list(tx.execute(select(notes.c.number).order_by(notes.c.number)).scalars())


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def write_together(database: Database, *acts: Act, single: bool = False) -> list[type | None]:
    """Each act in a write of its own, all of one group, in this order; return what each raised."""
    began = threading.Event()

    def is_queued(number: int) -> bool:
        return database.waiting_writers == number

    def write(index: int, act: Act) -> type | None:
        try:
            with database.write(single=single) as tx:
                began.set()
                if index == 0:
                    wait_until(partial(is_queued, len(acts) - 1))
                act(tx)
        except Exception as error:  # noqa: BLE001 - told to the test
            return type(error)
        return None

    with ThreadPoolExecutor(len(acts)) as pool:
        raised = []
        for index, act in enumerate(acts):
            raised.append(pool.submit(write, index, act))
            if index == 0:
                wait_until(began.is_set)
            elif index < len(acts) - 1:  # the last one sets them all going
                wait_until(partial(is_queued, index))
        return [each.result() for each in raised]


def test_those_who_wait_share_a_commit(database: Database, commits: list[int]) -> None:
    assert write_together(database, put(1), put(2), put(3)) == [None, None, None]
    assert list_kept(database) == [1, 2, 3]
    assert len(commits) == 1


def test_one_who_is_alone_waits_for_nobody(database: Database, commits: list[int]) -> None:
    for number in range(3):
        assert write_together(database, put(number)) == [None]
    assert len(commits) == 3


@pytest.mark.parametrize(
    ("acts", "raised", "left"),
    [
        ([fail, put(1), put(2)], [ValueError, None, None], [1, 2]),
        ([put(1), fail, put(2)], [None, ValueError, None], [1, 2]),
        ([put(1), put(2), fail], [None, None, ValueError], [1, 2]),
        ([fail, fail, fail], [ValueError] * 3, []),
    ],
)
def test_a_failing_writer_rolls_back_its_own_part_only(
    database: Database, acts: list[Act], raised: list[Any], left: list[int]
) -> None:
    assert write_together(database, *acts) == raised
    assert list_kept(database) == left
    assert write_together(database, put(50)) == [None]


@pytest.mark.parametrize("acts", [[again, put(1), put(2)], [put(1), again, put(2)]])
def test_single_statements_share_a_commit_and_fail_alone(
    database: Database, commits: list[int], acts: list[Act]
) -> None:
    assert write_together(database, put(7)) == [None]
    raised = write_together(database, *acts, single=True)
    assert raised == [IntegrityError if act is again else None for act in acts]
    assert list_kept(database) == [1, 2, 7]
    assert len(commits) == 2


def test_a_single_statement_that_loses_the_transaction_is_reported_to_all(
    database: Database,
) -> None:
    raised = write_together(database, put(1), lose, put(3), single=True)
    assert raised == [Overloaded, Overloaded, None]
    assert list_kept(database) == [3]


def test_a_failed_commit_is_reported_to_all_members(database: Database) -> None:
    def fill_disk(_: Connection) -> None:
        raise OSError("disk")

    event.listen(database.engine, "commit", fill_disk)
    assert write_together(database, put(1), put(2), put(3)) == [OSError, OSError, OSError]
    event.remove(database.engine, "commit", fill_disk)
    assert list_kept(database) == []
    assert write_together(database, put(50)) == [None]


def test_a_transaction_rolled_back_by_sqlite_is_reported_to_all(database: Database) -> None:
    raised = write_together(database, put(1), lose, put(3))
    assert raised == [Overloaded, Overloaded, None]
    assert list_kept(database) == [3]


def test_a_transaction_rolled_back_by_sqlite_is_ended_without_a_warning(
    database: Database,
) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert write_together(database, put(1), lose, put(3)) == [Overloaded, Overloaded, None]
    assert [str(each.message) for each in seen] == []


def test_a_conflict_with_a_member_is_reported_after_the_commit(database: Database) -> None:
    """A writer refused for a twin's key can read that key after the shared commit."""
    seen: list[list[int]] = []

    def refuse(tx: Connection) -> None:
        if list(tx.execute(select(notes.c.number)).scalars()) == [1]:
            raise KeyError

    def write_twin() -> None:
        try:
            with database.write() as tx:
                refuse(tx)
        except KeyError:
            seen.append(list_kept(database))

    with ThreadPoolExecutor(1) as pool:
        with database.write() as tx:
            done = pool.submit(write_twin)
            wait_until(lambda: database.waiting_writers == 1)
            put(1)(tx)
        done.result()
    assert seen == [[1]]


def test_a_running_write_ends_before_the_store_closes(database: Database) -> None:
    began, closed = threading.Event(), threading.Event()

    def write_first() -> None:
        with database.write() as tx:
            began.set()
            wait_until(lambda: database.waiting_writers == 1)
            put(1)(tx)

    def write_second() -> None:
        with database.write() as tx:
            put(2)(tx)
            database.close()
            closed.set()

    with ThreadPoolExecutor(2) as pool:
        wrote = [pool.submit(write_first)]
        wait_until(began.is_set)
        wrote.append(pool.submit(write_second))
        assert [each.result(10) for each in wrote] == [None, None]
    assert closed.is_set()
    assert list_kept(database) == [1, 2]
    assert write_together(database, put(3), fail, put(4)) == [None, ValueError, None]
    connections: Any = database.engine.pool
    assert connections.checkedout() == 0


def test_a_store_may_be_closed_while_many_write(database: Database) -> None:
    def write(number: int) -> None:
        if number % 40 == 20:
            database.close()
        with database.write(single=number % 2 == 0) as tx:
            put(number)(tx)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(400)))
    assert list_kept(database) == list(range(400))


def test_a_broken_connection_is_reported_to_the_group_and_replaced(database: Database) -> None:
    def break_it(tx: Connection) -> None:
        tx.connection.driver_connection.close()  # type: ignore[union-attr]
        raise ValueError("broken")

    first, second, third = write_together(database, put(1), break_it, put(3))
    assert (first is None, second is None, third) == (False, False, None)
    assert list_kept(database) == [3]


def test_many_threads_lose_nothing(database: Database, commits: list[int]) -> None:
    def write(number: int) -> None:
        with database.write() as tx:
            put(number)(tx)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(500)))
    assert list_kept(database) == list(range(500))
    assert len(commits) <= 500


def test_a_file_that_another_process_writes_is_busy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "BUSY_SECONDS", 0.2)
    impatient = Database(str(database.url))
    with database.write() as tx:
        put(1)(tx)
        with pytest.raises(Busy), impatient.write():
            pass
    assert write_together(impatient, put(2)) == [None]
    assert list_kept(impatient) == [1, 2]
    impatient.close()

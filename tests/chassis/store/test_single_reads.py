"""Single statements on SQLite: their connections stay with the store, and never an old snapshot."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from chassis.errors import Overloaded
from chassis.store.database import MAX_CONNECTIONS, MAX_READERS, Database
from chassis.store.prepared import Prepared
from tests.chassis.probe import notes, put

NOTES = select(notes.c.text).order_by(notes.c.text)
PREPARED = Prepared(NOTES)


def list_notes(database: Database) -> list[str]:
    with database.read(single=True) as tx:
        return [row.text for row in PREPARED.all(tx, {})]


def test_a_kept_connection_sees_each_commit(database: Database) -> None:
    for number in range(3):
        put(database, str(number))
        assert len(list_notes(database)) == number + 1
        with database.read(single=True) as tx:
            first = PREPARED.first(tx, {})
        assert first is not None
        assert first.text == "0"
    assert len(database.readers) == 1


def test_rows_that_nobody_reads_keep_no_snapshot(database: Database) -> None:
    put(database, "a")
    put(database, "b")
    with database.read(single=True) as tx:
        assert tx.execute(NOTES).fetchone() is not None
    assert not database.readers
    put(database, "c")
    assert len(list_notes(database)) == 3
    database.shrink_log()
    assert Path(f"{database.url.database}-wal").stat().st_size == 0


def test_a_connection_with_an_error_is_not_kept(database: Database) -> None:
    list_notes(database)
    with pytest.raises(ZeroDivisionError), database.read(single=True):
        raise ZeroDivisionError
    assert not database.readers
    with pytest.raises(OperationalError), database.read(single=True) as tx:
        tx.execute(text("SELECT * FROM nothing"))
    with pytest.raises(Overloaded), database.read(single=True):
        raise TimeoutError
    assert not database.readers


def test_many_readers_leave_the_pool_its_connections(database: Database) -> None:
    together = Barrier(MAX_CONNECTIONS)

    def read(_number: int) -> None:
        with database.read(single=True) as tx:
            PREPARED.all(tx, {})
            together.wait(10)

    with ThreadPoolExecutor(MAX_CONNECTIONS) as threads:
        list(threads.map(read, range(MAX_CONNECTIONS)))
    assert len(database.readers) == MAX_READERS
    assert database.engine.pool.checkedout() == MAX_READERS  # type: ignore[attr-defined]
    database.close()
    assert not database.readers

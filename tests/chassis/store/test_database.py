"""Transactions on a store: fairness, locks, transient errors, timestamps."""

import socket
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update

from chassis.errors import Busy, Overloaded
from chassis.store import database as module
from chassis.store import postgres as postgres_store
from chassis.store import sqlite
from chassis.store.database import Database
from tests.chassis.probe import metadata, notes, put
from tests.chassis.store.conftest import Open


def count(database: Database) -> Any:
    with database.read() as tx:
        return tx.execute(select(func.count()).select_from(notes)).scalar()


def test_24_threads_write_at_once_and_nothing_is_lost(opened: Open) -> None:
    database = opened()
    with database.write() as tx:
        tx.execute(insert(notes).values(id=1, text="0"))

    def work(_: int) -> None:
        for _ in range(3):
            with database.write() as tx:
                seen = select(notes.c.text).where(notes.c.id == 1).with_for_update()
                total = int(tx.execute(seen).scalar() or "")
                tx.execute(update(notes).where(notes.c.id == 1).values(text=str(total + 1)))

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(work, range(24)))
    with database.read() as tx:
        assert tx.execute(select(notes.c.text).where(notes.c.id == 1)).scalar() == "72"


def test_a_failed_transaction_leaves_nothing(opened: Open) -> None:
    database = opened()

    def fail() -> None:
        with database.write() as tx:
            tx.execute(insert(notes).values(text="half"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert count(database) == 0
    put(database, "whole")
    assert count(database) == 1


def test_a_reader_sees_one_snapshot_and_waits_for_no_writer(opened: Open) -> None:
    database = opened()
    put(database, "first")
    with database.write() as tx:
        tx.execute(insert(notes).values(text="second"))
        assert count(database) == 1
    assert count(database) == 2


def test_a_lock_wait_that_takes_too_long_raises_busy(opened: Open, monkeypatch: Any) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(postgres_store, "LOCK_WAIT_SECONDS", 0.2)
    first, second = opened(), opened()
    put(first, "held")
    lock = update(notes).values(text="mine")
    with first.write() as tx:
        tx.execute(lock)
        began = time.monotonic()
        with pytest.raises(Busy), second.write() as other:
            other.execute(lock)
        assert time.monotonic() - began < 2
    with second.write() as other:
        other.execute(lock)


def test_a_write_that_gets_no_turn_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_SECONDS", 0.1)
    database = Database(f"sqlite:///{tmp_path}/probe.db")
    with database.write(), ThreadPoolExecutor(1) as pool, pytest.raises(Overloaded):
        pool.submit(lambda: database.write().__enter__()).result()
    with database.write():
        pass
    database.close()


def test_a_postgresql_that_is_not_there_is_overload() -> None:
    database = Database("postgresql://postgres@127.0.0.1:1/nothing")
    with pytest.raises(Overloaded), database.read() as tx:
        tx.execute(select(1))
    with pytest.raises(Overloaded), database.write() as tx:
        tx.execute(select(1))


def test_a_postgresql_that_never_answers_is_overload(monkeypatch: Any) -> None:
    least = {"connect_timeout": 2}  # seconds; libpq takes no less
    monkeypatch.setattr(postgres_store, "TCP_OPTIONS", least)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        database = Database(f"postgresql://postgres@127.0.0.1:{deaf.getsockname()[1]}/nothing")
        with pytest.raises(Overloaded), database.read() as tx:
            tx.execute(select(1))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_postgresql_that_goes_is_overload_until_it_is_back(opened: Open) -> None:
    database, killer = opened(), opened()
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def cut_off() -> None:
        with database.write() as tx:
            tx.execute(insert(notes).values(text="lost"))
            with killer.read() as other:
                other.execute(end)
            tx.execute(insert(notes).values(text="lost"))

    with pytest.raises(Overloaded):
        cut_off()
    put(database, "kept")
    assert count(database) == 1


def test_a_moment_is_aware_and_in_utc(opened: Open) -> None:
    database = opened()
    east = timezone(timedelta(hours=5, minutes=45))
    early = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    late = datetime(2026, 3, 29, 7, 16, tzinfo=east)  # a minute after it
    with database.write() as tx:
        tx.execute(insert(notes), [{"text": "late", "at": late}, {"text": "early", "at": early}])
        tx.execute(insert(notes).values(text="none"))
    with database.read() as tx:
        moments = select(notes.c.text, notes.c.at).where(notes.c.at > early - timedelta(days=1))
        rows = [tuple(row) for row in tx.execute(moments.order_by(notes.c.at))]
        nothing = tx.execute(select(notes.c.at).where(notes.c.text == "none")).scalar()
        after = select(notes.c.text).where(notes.c.at > early.astimezone(east))
        assert list(tx.execute(after).scalars()) == ["late"]
    assert rows == [("early", early), ("late", late)]
    assert {at.tzinfo for _, at in rows} == {UTC}
    assert nothing is None


def test_connections_of_sqlite_keep_the_promise_of_the_readme(tmp_path: Path) -> None:
    """A commit waits for the disk (synchronous=FULL, which is 2), and references hold."""
    database = Database(f"sqlite:///{tmp_path}/probe.db")
    metadata.create_all(database.engine)
    with database.write() as writer, database.read() as reader, database.stream() as stream:
        for connection in (writer, reader, stream):
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("synchronous", "foreign_keys", "journal_mode", "wal_autocheckpoint")
            }
            assert found == {
                "synchronous": 2,
                "foreign_keys": 1,
                "journal_mode": "wal",
                "wal_autocheckpoint": 8000,
            }
    database.close()


def test_a_file_behind_a_symlink_is_its_owners_only(tmp_path: Path) -> None:
    path, link = tmp_path / "deep" / "probe.db", tmp_path / "link.db"
    link.symlink_to(path)
    database = Database(f"sqlite:///{link}")
    metadata.create_all(database.engine)
    database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "probe.db"
    database = Database(f"sqlite:///{path}")
    metadata.create_all(database.engine)
    put(database, "written")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    database.close()
    assert modes == dict.fromkeys(["probe.db", "probe.db-wal", "probe.db-shm"], 0o600)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_sqlite_is_in_a_file(url: str) -> None:
    with pytest.raises(ValueError, match="names a file"):
        Database(url)

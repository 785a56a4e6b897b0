"""Lookups are cached until the data are reported as changed."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import sleep

import pytest
from sqlalchemy import Connection, MetaData

from chassis.store.database import Database
from chassis.store.reference_cache import (
    MAX_AGE_SECONDS,
    ReferenceCache,
    build_changes_table,
    invalidate,
)

metadata = MetaData()
changes = build_changes_table(metadata)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/memory.db")
    metadata.create_all(made.engine)
    yield made
    made.close()


def test_it_asks_once(database: Database) -> None:
    cache, asked = ReferenceCache(database, changes), iter([1, 2])
    assert [cache.get("key", lambda _: next(asked)) for _ in range(3)] == [1, 1, 1]
    assert cache.get("other key", lambda _: next(asked)) == 2


def test_it_asks_again_within_a_second_of_a_change_by_another_process(database: Database) -> None:
    cache, asked = ReferenceCache(database, changes), iter([1, 2])
    assert cache.get("key", lambda _: next(asked)) == 1
    with database.write() as tx:
        invalidate(tx, changes)
    sleep(MAX_AGE_SECONDS)
    assert cache.get("key", lambda _: next(asked)) == 2


def test_none_and_refusals_are_not_cached(database: Database) -> None:
    cache, asked = ReferenceCache(database, changes), iter([None, 1])
    assert cache.get("key", lambda _: next(asked)) is None
    assert cache.get("key", lambda _: next(asked)) == 1
    with pytest.raises(ZeroDivisionError):
        cache.get("bad", lambda _: 1 // 0)
    assert cache.get("bad", lambda _: 2) == 2


def test_it_has_an_end(database: Database) -> None:
    cache = ReferenceCache(database, changes, max_entries=3)
    sizes = []
    for key in range(5):
        assert cache.get(key, lambda _, key=key: key) == key  # type: ignore[misc]
        sizes.append(len(cache))
    assert sizes == [1, 2, 3, 1, 2]


class Clock:
    """The time, moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("chassis.store.reference_cache.monotonic", made)
    return made


class Hanging:
    """A database of which one reader, once it has read, is held until `release`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.holds = False
        self.has_read, self.release = threading.Event(), threading.Event()

    def read(self) -> AbstractContextManager[Connection]:
        if not self.holds:
            return self.database.read()
        self.holds = False
        return self._hang()

    @contextmanager
    def _hang(self) -> Iterator[Connection]:
        with self.database.read() as tx:
            yield tx
        self.has_read.set()
        assert self.release.wait(30)


def test_a_look_that_hangs_makes_nothing_older_than_a_second(
    database: Database, clock: Clock
) -> None:
    hanging = Hanging(database)
    cache, asked = ReferenceCache(hanging, changes), iter([1, 2, 3])  # type: ignore[arg-type]
    assert cache.get("key", lambda _: next(asked)) == 1
    clock.now, hanging.holds = 0.6, True
    late: list[int] = []
    thread = threading.Thread(target=lambda: late.append(cache.get("key", lambda _: next(asked))))
    thread.start()
    assert hanging.has_read.wait(30)
    with database.write() as tx:
        invalidate(tx, changes)
    clock.now = 0.9
    assert cache.get("key", lambda _: next(asked)) == 1  # nobody waits for it yet
    clock.now = 1.5
    assert cache.get("key", lambda _: next(asked)) == 2
    hanging.release.set()
    thread.join()
    # What the late one has read is older than what is cached: it changes nothing.
    assert late == [2]
    assert cache.get("key", lambda _: next(asked)) == 2


def test_a_second_counts_from_the_beginning_of_a_look(database: Database, clock: Clock) -> None:
    class Slow:
        delay = 0.0

        @contextmanager
        def read(self) -> Iterator[Connection]:
            with database.read() as tx:
                yield tx
            clock.now += self.delay

    slow = Slow()
    cache, asked = ReferenceCache(slow, changes), iter([1, 2])  # type: ignore[arg-type]
    assert cache.get("key", lambda _: next(asked)) == 1
    clock.now, slow.delay = 2, 0.8
    assert cache.get("key", lambda _: next(asked)) == 1
    with database.write() as tx:
        invalidate(tx, changes)
    assert cache.get("key", lambda _: next(asked)) == 2

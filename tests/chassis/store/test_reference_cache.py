"""Lookups are cached until the data are reported as changed."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest
from sqlalchemy import MetaData

from chassis.store.database import Database
from chassis.store.reference_cache import (
    CHECK_SECONDS,
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
    sleep(CHECK_SECONDS)
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

"""Lookups are remembered until somebody says that the data have changed."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest
from sqlalchemy import MetaData

from chassis.store.database import Database
from chassis.store.reference_cache import LOOK, ROOM, Memory, changed, changes_table

metadata = MetaData()
changes = changes_table(metadata)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/memory.db")
    metadata.create_all(made.engine)
    yield made
    made.close()


def test_it_asks_once(database: Database) -> None:
    memory, asked = Memory(database, changes), iter([1, 2])
    assert [memory.recall("key", lambda _: next(asked)) for _ in range(3)] == [1, 1, 1]
    assert memory.recall("other key", lambda _: next(asked)) == 2


def test_it_asks_again_within_a_second_of_a_change_by_another_process(database: Database) -> None:
    memory, asked = Memory(database, changes), iter([1, 2])
    assert memory.recall("key", lambda _: next(asked)) == 1
    with database.write() as tx:
        changed(tx, changes)
    sleep(LOOK)
    assert memory.recall("key", lambda _: next(asked)) == 2


def test_nothing_and_refusals_are_not_remembered(database: Database) -> None:
    memory, asked = Memory(database, changes), iter([None, 1])
    assert memory.recall("key", lambda _: next(asked)) is None
    assert memory.recall("key", lambda _: next(asked)) == 1
    with pytest.raises(ZeroDivisionError):
        memory.recall("bad", lambda _: 1 // 0)
    assert memory.recall("bad", lambda _: 2) == 2


def test_it_has_an_end(database: Database) -> None:
    memory = Memory(database, changes)
    for key in range(ROOM + 1):
        memory._kept[key] = key
    memory.recall("key", lambda _: 1)
    assert len(memory._kept) == 1

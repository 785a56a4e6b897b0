"""The schema versions of each service agree with its tables."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import cast

import pytest
from sqlalchemy import Index, text
from sqlalchemy.schema import CreateIndex

from chassis.store import sqlite
from chassis.store.database import Database
from chassis.store.migrations import find_schema_differences, migrate
from chassis.store.versions import is_current
from tests.serving import SERVICES, get_definition


@pytest.mark.parametrize("name", SERVICES)
def test_a_migrated_store_has_the_tables_of_the_code(
    store_url: Callable[[str, str], str], engine: str, name: str
) -> None:
    of, database = get_definition(name), Database(store_url(name, engine))
    assert is_current(database, of.migrations)
    assert find_schema_differences(database, of.metadata) == []
    with database.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert not is_current(database, of.migrations)
    database.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_partial_index_has_its_condition_on_postgresql_too(
    store_url: Callable[[str, str], str], engine: str
) -> None:
    database = Database(store_url("orders", engine))
    with database.write() as tx:
        tx.execute(text("DROP INDEX ix_orders_trays_of_lab"))
    (difference,) = find_schema_differences(database, get_definition("orders").metadata)
    kind, index = cast("tuple[str, Index]", difference)
    assert kind == "add_index"
    assert str(CreateIndex(index).compile(database.engine)).endswith(
        "(lab_id, tray_number) WHERE tray_number IS NOT NULL"
    )
    database.close()


def test_a_migration_outwaits_a_process_that_writes(
    store_url: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    database = Database(store_url("orders", "sqlite"))
    file = str(database.url.database)
    with closing(sqlite3.connect(file, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.5, other.rollback)
        release.start()
        migrate(database, get_definition("orders").migrations)
        release.join()
    database.close()

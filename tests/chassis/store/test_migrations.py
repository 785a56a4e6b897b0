"""The schema versions of each service agree with its tables."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from chassis.store.database import Database
from chassis.store.migrations import find_schema_differences
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

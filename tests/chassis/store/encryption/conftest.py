"""A store with the tables of the test module, opened with rings of keys."""

from collections.abc import Callable, Iterator

import pytest

from chassis.store.database import Database
from tests.serving import build_keyring


@pytest.fixture
def store(
    store_url: Callable[[str, str], str], engine: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Database]]:
    """Opens one store, with the keys of these names; without a name encryption is off."""
    url, opened = store_url("orders", engine), list[Database]()

    def open_store(*names: str) -> Database:
        database = Database(url, keyring=build_keyring(*names) if names else None)
        request.module.metadata.create_all(database.engine)
        opened.append(database)
        return database

    yield open_store
    for database in opened:
        database.close()

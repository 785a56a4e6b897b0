"""A store of the tests' own tables, which a test may open several times."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chassis.store.database import Database
from tests import postgres
from tests.chassis.probe import metadata

Open = Callable[[], Database]


@pytest.fixture
def opened(engine: str, tmp_path: Path) -> Iterator[Open]:
    """Opens one store anew at each call, as another process would."""
    server, name = os.environ["TEST_POSTGRES_URL"], f"probe_{uuid.uuid4().hex[:12]}"
    url = f"sqlite:///{tmp_path}/new/probe.db"
    if engine == "postgresql":
        url = postgres.create_database(server, name)
    made: list[Database] = []

    def reopen() -> Database:
        made.append(Database(url))
        return made[-1]

    metadata.create_all(reopen().engine)
    yield reopen
    for database in made:
        database.close()
    if engine == "postgresql":
        postgres.drop_database(server, name)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Such a store in a file of SQLite."""
    made = Database(f"sqlite:///{tmp_path}/probe.db")
    metadata.create_all(made.engine)
    yield made
    made.close()

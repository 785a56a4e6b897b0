"""A store with an empty audit trail, on both engines."""

from collections.abc import Callable, Iterator

import pytest

from chassis.audit.trail import Trail
from chassis.store.database import Database
from orders_svc.store.tables import audit
from tests.chassis.audit.trails import clear


@pytest.fixture(scope="module")
def opened(store_url: Callable[[str, str], str], engine: str) -> Iterator[Database]:
    """The store of orders."""
    database = Database(store_url("orders", engine))
    yield database
    database.close()


@pytest.fixture
def store(opened: Database) -> Iterator[Database]:
    """The store of orders, with an empty trail."""
    yield opened
    clear(opened, audit)


@pytest.fixture
def trail() -> Trail:
    """Its trail."""
    return audit

"""The service of the tests' own and a store with an outbox, one a module, and a receiver."""

from collections.abc import Callable, Iterator

import pytest

from chassis.store.database import Database
from tests.chassis.events.outboxes import Box
from tests.chassis.events.receiver import Receiver, run_receiver
from tests.chassis.probe import Probe, probe


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """The service, on a store of this module."""
    with probe(tmp_path_factory.mktemp("probe")) as running:
        yield running


@pytest.fixture(scope="module")
def stored(store_url: Callable[[str, str], str], engine: str) -> Iterator[Database]:
    """A store with an outbox: that of orders."""
    database = Database(store_url("orders", engine))
    yield database
    database.close()


@pytest.fixture
def box(stored: Database) -> Iterator[Box]:
    """Its outbox, without the endpoints of other tests."""
    made = Box(stored)
    yield made
    made.clear()


@pytest.fixture
def partner() -> Iterator[Receiver]:
    """A partner's endpoint."""
    with run_receiver() as receiver:
        yield receiver

"""What waits for senders and cashiers, as a scrape shows it, on both engines."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert

from chassis.context import utc_now
from chassis.metrics.service import ServiceMetrics
from chassis.store.database import Database
from tests.serving import get_definition

LATE = timedelta(hours=2)


@pytest.fixture
def store(store_url: Callable[[str, str], str], engine: str) -> Database:
    """The store of the subscriptions service."""
    return Database(store_url("subscriptions", engine))


def add(database: Database, table: Table, **values: Any) -> None:
    """Add a row of two hours ago."""
    row = {"created_at": utc_now() - LATE, "tries": 3, **values}
    with database.write() as tx:
        tx.execute(insert(table), row)


def test_what_is_not_done_is_counted(store: Database, tmp_path: Path) -> None:
    outbox = get_definition("subscriptions").outbox
    tables = outbox.table.metadata.tables
    metrics = ServiceMetrics(store, outbox, tmp_path, is_server=False)

    def read(name: str, queue: str) -> float | None:
        metrics._survey()
        return metrics.registry.get_sample_value(name, {"queue": queue})

    for queue in ("messages", "charges"):
        assert read("optigate_work_pending", queue) == 0
        assert read("optigate_work_oldest_seconds", queue) == 0
    message = {"cart_id": "c", "channel": "email", "content": {}}
    add(store, tables["messages"], id="waits", due_at=utc_now(), **message)
    add(store, tables["messages"], id="sent", due_at=None, **message)
    charge = {"owner": "m", "kind": "page", "amount": 1, "currency": "EUR", "details": {}}
    charge |= {"provider": "stripe", "due_at": utc_now()}
    add(store, tables["charges"], id="waits", subject="1", state="asked", **charge)
    add(store, tables["charges"], id="open", subject="2", state="open", **charge)
    for queue in ("messages", "charges"):
        assert read("optigate_work_pending", queue) == 1
        age = read("optigate_work_oldest_seconds", queue) or 0
        assert LATE.total_seconds() <= age < LATE.total_seconds() + 300
    store.close()


def test_a_store_without_messages_has_no_queue_of_them(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    database = Database(store_url("sessions", engine))
    metrics = ServiceMetrics(database, get_definition("sessions").outbox, tmp_path, is_server=False)
    metrics._survey()
    for queue, waiting in (("messages", None), ("charges", 0)):
        found = metrics.registry.get_sample_value("optigate_work_pending", {"queue": queue})
        assert found == waiting
    database.close()

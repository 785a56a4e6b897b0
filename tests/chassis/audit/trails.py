"""The audit trail of a service under test."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from chassis.audit.trail import OK, Trail, build_entry, decode_ids
from chassis.store.database import Database
from tests.serving import Served, get_definition

PATIENCE_SECONDS = 20.0


def read_entries(served: Served, request_id: str) -> list[dict[str, Any]]:
    """The entries of a request, as they are in the store."""
    trail = get_definition(served.name).audit
    query = select(trail.entries).where(trail.entries.c.request_id == request_id)
    with served.database.read() as tx:
        return [
            {**row._mapping, "ids": decode_ids(row)}
            for row in tx.execute(query.order_by(trail.entries.c.number))
        ]


def wait_for_entries(served: Served, request_id: str, count: int = 1) -> list[dict[str, Any]]:
    """The entries of a request, once there are as many."""
    wait_until(lambda: len(read_entries(served, request_id)) >= count)
    return read_entries(served, request_id)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def add_entry(tx: Connection, trail: Trail, id_: str, account: str = "somebody") -> None:
    """Add an entry about a row."""
    entry = build_entry(
        account=account, actor=None, rpc="S/Rpc", ids=[id_], request_id="r", outcome=OK
    )
    trail.add(tx, entry)


def fill(database: Database, trail: Trail, *ids: str) -> None:
    """Add entries, each in a transaction of its own."""
    for id_ in ids:
        with database.write() as tx:
            add_entry(tx, trail, id_)


def clear(database: Database, trail: Trail) -> None:
    """Delete the whole trail."""
    with database.write() as tx:
        for table in (trail.entries, trail.seals, trail.turns):
            tx.execute(table.delete())

"""Lookups that are remembered until the data behind them changes.

Accounts and reference data change by the command line, which moves a counter
in the store. Each process looks at the counter once a second: what it
remembers is at most a second older than the store.
"""

import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Integer, MetaData, Table, select, update

from chassis.store.database import Database, add_if_absent

T = TypeVar("T")
CHECK_SECONDS = 1.0  # seconds
MAX_ENTRIES = 20_000  # lookups


def changes_table(metadata: MetaData) -> Table:
    """The table of the counter, the same in each service."""
    return Table(
        "reference_changes",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("changes", Integer, nullable=False),
    )


def invalidate(tx: Connection, table: Table) -> None:
    """Tell every process that accounts or reference data have changed."""
    add_if_absent(tx, table, {"id": 1, "changes": 0})
    tx.execute(update(table).values(changes=table.c.changes + 1))


class ReferenceCache:
    """What one process remembers of one store."""

    def __init__(self, database: Database, table: Table) -> None:
        self.database = database
        self._count = select(table.c.changes)
        self._looking = threading.Lock()
        self._looked = -CHECK_SECONDS
        self._changes: int | None = None
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, find: Callable[[Connection], T]) -> T:
        """What `find` gave for the key, asked anew after a change; None is not remembered."""
        if monotonic() - self._looked >= CHECK_SECONDS:
            self._look()
        kept = self._kept
        if key in kept:
            found: T = kept[key]
            return found
        with self.database.read() as tx:
            found = find(tx)
        if found is not None:
            if len(kept) >= MAX_ENTRIES:
                kept.clear()
            # After a change `self._kept` is another dict, and this one is not read any more.
            kept[key] = found
        return found

    def _look(self) -> None:
        if not self._looking.acquire(blocking=False):
            return
        try:
            with self.database.read() as tx:
                changes = tx.execute(self._count).scalar()
            if changes != self._changes:
                self._changes, self._kept = changes, {}
            self._looked = monotonic()
        finally:
            self._looking.release()

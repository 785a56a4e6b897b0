"""A reference-data cache with version-counter invalidation.

Accounts and reference data change only by the command line, which increments a
counter in the store. Each process reads the counter twice a second, so that cached
data are at most a second out of date, also where one of these reads is slow or hangs.
"""

import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Integer, MetaData, Table, select, update

from chassis.store.database import Database, add_if_absent

T = TypeVar("T")
ObserveLookup = Callable[[bool], None]  # whether it was a hit
LOOK_SECONDS = 0.5  # between two looks at the counter
MAX_AGE_SECONDS = 1.0  # of the last look whose cache is used
LOOK_WAIT_SECONDS = 0.1  # for somebody else's look, where the last one is too old
MAX_ENTRIES = 20_000


def build_changes_table(metadata: MetaData) -> Table:
    """The table of the version counter, the same in each service."""
    return Table(
        "reference_changes",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("changes", Integer, nullable=False),
    )


def invalidate(tx: Connection, table: Table) -> None:
    """Invalidate the caches of every process: accounts or reference data have changed."""
    add_if_absent(tx, table, {"id": 1, "changes": 0})
    tx.execute(update(table).values(changes=table.c.changes + 1))


class ReferenceCache:
    """One process's cache of one store."""

    def __init__(
        self,
        database: Database,
        table: Table,
        max_entries: int = MAX_ENTRIES,
        observe: ObserveLookup | None = None,
    ) -> None:
        self.database = database
        self.observe = observe
        self.max_entries = max_entries
        self._version = select(table.c.changes)
        self._looking = threading.Lock()
        self._guard = threading.Lock()  # for the three below
        self._looked_at = -MAX_AGE_SECONDS  # when the newest look began
        self._cached_version: int | None = None
        self._entries: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, find: Callable[[Connection], T]) -> T:
        """The cached value of a key, else what `find` returns; None is not cached."""
        if (age := monotonic() - self._looked_at) >= LOOK_SECONDS:
            self._refresh(is_too_old=age >= MAX_AGE_SECONDS)
        entries = self._entries
        if self.observe is not None:
            self.observe(key in entries)
        if key in entries:
            found: T = entries[key]
            return found
        with self.database.read() as tx:
            found = find(tx)
        if found is not None:
            if len(entries) >= self.max_entries:
                entries.clear()
            # After an invalidation `self._entries` is another dict: a value that was read before
            # it goes into this one, which is no longer used.
            entries[key] = found
        return found

    def _refresh(self, *, is_too_old: bool) -> None:
        """Look unless somebody else does; one that hangs is not waited for."""
        is_alone = self._looking.acquire(timeout=LOOK_WAIT_SECONDS if is_too_old else 0)
        try:
            is_due = monotonic() - self._looked_at >= LOOK_SECONDS
            if is_due and (is_alone or is_too_old):
                self._look()
        finally:
            if is_alone:
                self._looking.release()

    def _look(self) -> None:
        began = monotonic()
        with self.database.read() as tx:
            version = tx.execute(self._version).scalar()
        with self._guard:
            if began < self._looked_at:  # a later look has ended before it
                return
            if version != self._cached_version:
                self._cached_version, self._entries = version, {}
            self._looked_at = began

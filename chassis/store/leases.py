"""Rows that wait for work, each leased to one worker at a time, and retried with backoff.

A table of such rows has a column `due_at` (when it may be taken; while it is leased, when the
lease ends) and a count of attempts. Taking a row moves `due_at` to the end of the lease, so a
worker that dies loses it: the row falls due again. Settling names the lease, and does nothing
once another worker has taken the row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Integer, Row, bindparam, select, update

from chassis.store.database import Instant


@dataclass(frozen=True)
class Backoff:
    """How long to wait before the next attempt: exponentially longer, with jitter."""

    first: timedelta
    longest: timedelta
    factor: int = 2
    jitter: float = 0.2

    def compute_delay(self, attempts: int, chance: float) -> timedelta:
        """The delay after this many failed attempts; `chance` is between 0 and 1."""
        growth = min(self.factor ** (attempts - 1), self.longest / self.first)
        delay: timedelta = self.first * growth * (1 - self.jitter + 2 * self.jitter * chance)
        return delay


class Leases:
    """Takes and settles the rows of one table.

    `key` is the table's primary key, `attempts` counts how often a row was taken, and only rows
    for which all `conditions` hold are taken.
    """

    def __init__(
        self, key: Column[Any], attempts: Column[int], *conditions: ColumnElement[bool]
    ) -> None:
        table = key.table
        due_at = table.c.due_at
        self._key = key
        self._table = table
        # A CTE and not a subquery: PostgreSQL evaluates it once, whatever its plan.
        next_ones = (
            select(key)
            .where(*conditions, due_at <= bindparam("now", type_=Instant()))
            .order_by(due_at, key)
            .limit(bindparam("limit", type_=Integer()))
            .with_for_update(skip_locked=True)
            .cte("next_ones")
        )
        self._take = (
            update(table)
            .where(key.in_(select(next_ones.c[key.name])))
            .values({due_at: bindparam("lease_end", type_=Instant()), attempts: attempts + 1})
            .returning(table)
        )
        self._held = (key == bindparam("leased_key"), due_at == bindparam("lease_end"))

    def take(
        self, tx: Connection, limit: int, now: datetime, lease: timedelta, **parameters: Any
    ) -> Sequence[Row[Any]]:
        """Lease the rows that have waited longest, in no order; it counts as an attempt.

        `parameters` are those of the conditions; SQLAlchemy reserves the columns' own names in
        an UPDATE, so a condition on `owner` takes `where_owner`.
        """
        key = {"limit": limit, "now": now, "lease_end": now + lease, **parameters}
        return tx.execute(self._take, key).all()

    def settle(
        self, tx: Connection, leased: Row[Any], values: dict[str, Any], *conditions: Any
    ) -> bool:
        """Write the outcome of a leased row; False if the lease was lost to another worker."""
        statement = update(self._table).where(*self._held, *conditions).values(values)
        key = {"leased_key": getattr(leased, self._key.name), "lease_end": leased.due_at}
        return tx.execute(statement, key).rowcount == 1

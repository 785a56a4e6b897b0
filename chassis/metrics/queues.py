"""How much waits of what is done after a call: messages to people, calls to payment providers.

A message or a call that failed waits for its next attempt, and counts until it has succeeded or is
given up.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, MetaData, func, select, text

# By table: what is left to do. Literal, as in the partial indexes.
WAITING = {"messages": text("due_at IS NOT NULL"), "charges": text("state = 'asked'")}


class Queue(NamedTuple):
    """What waits in one table."""

    waiting: int
    oldest: datetime | None  # when the first of them was added


def measure_queues(tx: Connection, metadata: MetaData) -> Mapping[str, Queue]:
    """Return the queues that a store has, by table."""
    found = {}
    for name, waits in WAITING.items():
        if (table := metadata.tables.get(name)) is not None:
            query = select(func.count(), func.min(table.c.created_at)).where(waits)
            found[name] = Queue(*tx.execute(query).one())
    return found

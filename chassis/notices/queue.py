"""Messages that are queued in the transaction of the call that wants them, and sent after it.

A sender leases a row: it moves `due_at` past any time that sending may take, so that after a crash
the row falls due again then. The content is deleted once the message is sent or given up; the row
stays.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    null,
    select,
    update,
)

from chassis.store.database import Instant, partial_index
from chassis.store.encryption.columns import Personal
from chassis.store.leases import Backoff, Leases

MAX_TRIES = 10
ERASED = "erased"  # of a person who was erased; see chassis.notices.sweeper
LEASE_TIME = timedelta(minutes=5)
BACKOFF = Backoff(first=timedelta(seconds=5), longest=timedelta(hours=1), jitter=0)
_IS_DUE = "due_at IS NOT NULL"


def build_messages_table(metadata: MetaData, *columns: Any) -> Table:
    """Return the table of a service's messages; `columns` say what each is about."""
    return Table(
        "messages",
        metadata,
        Column("id", String(36), primary_key=True),
        Column("channel", String(8), nullable=False),
        Column("content", JSON),
        Column("created_at", Instant(), nullable=False),
        Column("due_at", Instant()),  # null once ended; while it is being sent, the lease's end
        Column("tries", Integer, nullable=False),  # attempts begun
        Column("outcome", String(8)),  # sent, failed or erased
        Column("ended_at", Instant()),
        partial_index("ix_messages_due", "due_at", where=_IS_DUE),
        *columns,
    )


class MessageQueue:
    """The messages in one table."""

    def __init__(self, table: Table) -> None:
        self.personal = Personal(table, ["id"], ["content"])
        self._leases = Leases(table.c.id, table.c.tries)
        self._any_due = select(table.c.id).where(table.c.due_at <= bindparam("now")).limit(1)

    def build_row(
        self, tx: Connection, channel: str, content: Mapping[str, str], now: datetime
    ) -> dict[str, Any]:
        """Return the row of a message that is due at once."""
        row = {
            "id": str(uuid.uuid4()),
            "channel": channel,
            "content": dict(content),
            "created_at": now,
            "due_at": now,
            "tries": 0,
        }
        return self.personal.seal(tx, row)

    def has_due(self, tx: Connection, now: datetime) -> bool:
        """Return whether a message is due that nobody is sending."""
        return tx.execute(self._any_due, {"now": now}).first() is not None

    def lease(self, tx: Connection, now: datetime) -> Row[Any] | None:
        """Return the message that has waited longest, for this sender until the lease ends."""
        leased = next(iter(self._leases.take(tx, 1, now, LEASE_TIME)), None)
        return self.personal.open_first(tx, leased)

    def record_sent(self, tx: Connection, leased: Row[Any], now: datetime) -> None:
        """Record that a leased message was sent, and delete its content."""
        self._end(tx, leased, "sent", now)

    def record_failure(
        self, tx: Connection, leased: Row[Any], now: datetime, *, lasting: bool
    ) -> None:
        """Record a failed attempt: another follows, unless it is lasting or was the last one."""
        if lasting or leased.tries >= MAX_TRIES:
            self._end(tx, leased, "failed", now)
        else:
            delay = BACKOFF.compute_delay(leased.tries, 0)
            self._leases.settle(tx, leased, {"due_at": now + delay})

    def _end(self, tx: Connection, leased: Row[Any], outcome: str, now: datetime) -> None:
        ended = {"due_at": null(), "content": null(), "outcome": outcome, "ended_at": now}
        self._leases.settle(tx, leased, ended)


def erase_messages(
    tx: Connection,
    table: Table,
    which: ColumnElement[bool],
    key: Mapping[str, Any],
    now: datetime,
) -> None:
    """Delete the contents of messages and end those that wait; an attempt may have left a file."""
    begun = which & (table.c.tries > 0)
    tx.execute(update(table).where(which).values(content=null()), key)
    waiting = update(table).where(which, table.c.due_at.is_not(None))
    tx.execute(waiting.values(due_at=None, outcome="failed", ended_at=now), key)
    tx.execute(update(table).where(begun).values(outcome=ERASED), key)

"""Messages to shoppers: queued in the transaction of the call that wants them, and sent after it.

A sender leases a row: it moves `due_at` past any time that sending may take, so that after a crash
the row falls due again then. The content is deleted once the message is sent or given up; the row
stays, and counts against the limit of its cart.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, func, insert, null, select

from chassis.store.leases import Backoff, Leases
from subscriptions_svc.store.personal import MESSAGES
from subscriptions_svc.store.tables import messages

MAX_TRIES = 10
LEASE_TIME = timedelta(minutes=5)
BACKOFF = Backoff(first=timedelta(seconds=5), longest=timedelta(hours=1), jitter=0)

_LEASES = Leases(messages.c.id, messages.c.tries)
_OF_CART = (messages.c.cart_id == bindparam("cart_id"), messages.c.channel == bindparam("channel"))
_COUNT = select(func.count()).where(*_OF_CART)
_COLUMNS = ("id", "cart_id", "channel", "content", "created_at", "due_at", "tries")
_ADD = (
    insert(messages)
    .from_select(
        _COLUMNS,
        select(*(bindparam(name, type_=messages.c[name].type) for name in _COLUMNS)).where(
            _COUNT.scalar_subquery() < bindparam("limit", type_=Integer())
        ),
    )
    .execution_options(preserve_rowcount=True)
)
_ANY_DUE = select(messages.c.id).where(messages.c.due_at <= bindparam("now")).limit(1)


def count_messages(tx: Connection, cart_id: str, channel: str) -> int:
    """Return how many messages of a channel a cart has had."""
    counted: int = tx.execute(_COUNT, {"cart_id": cart_id, "channel": channel}).scalar_one()
    return counted


def add_message(
    tx: Connection,
    cart_id: str,
    channel: str,
    content: Mapping[str, str],
    limit: int,
    now: datetime,
) -> bool:
    """Queue a message that is due at once; returns False when its cart has had `limit` already.

    The caller holds the row of the cart's subscription.
    """
    row = {
        "id": str(uuid.uuid4()),
        "cart_id": cart_id,
        "channel": channel,
        "content": dict(content),
        "created_at": now,
        "due_at": now,
        "tries": 0,
        "limit": limit,
    }
    return tx.execute(_ADD, MESSAGES.seal(tx, row)).rowcount == 1


def has_due(tx: Connection, now: datetime) -> bool:
    """Whether a message is due that nobody is sending."""
    return tx.execute(_ANY_DUE, {"now": now}).first() is not None


def lease_message(tx: Connection, now: datetime) -> Row[Any] | None:
    """Return the message that has waited longest, for this sender alone until the lease ends."""
    leased = next(iter(_LEASES.take(tx, 1, now, LEASE_TIME)), None)
    return MESSAGES.open_first(tx, leased)


def record_sent(tx: Connection, leased: Row[Any], now: datetime) -> None:
    """Record that a leased message was sent, and delete its content."""
    _end(tx, leased, "sent", now)


def record_failure(tx: Connection, leased: Row[Any], now: datetime, *, lasting: bool) -> None:
    """Record a failed attempt: another follows, unless it is lasting or was the last one."""
    if lasting or leased.tries >= MAX_TRIES:
        _end(tx, leased, "failed", now)
    else:
        _LEASES.settle(tx, leased, {"due_at": now + BACKOFF.compute_delay(leased.tries, 0)})


def _end(tx: Connection, leased: Row[Any], outcome: str, now: datetime) -> None:
    ended = {"due_at": null(), "content": null(), "outcome": outcome, "ended_at": now}
    _LEASES.settle(tx, leased, ended)

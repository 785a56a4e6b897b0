"""Messages to shoppers; a cart link counts against the limit of its cart, also once it is sent."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Integer, bindparam, func, insert, select

from chassis.notices.queue import MessageQueue
from subscriptions_svc.store.tables import messages

QUEUE = MessageQueue(messages)
_OF_CART = (
    messages.c.cart_id == bindparam("cart_id"),
    messages.c.channel == bindparam("channel"),
    messages.c.reminder.is_(None),
)
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
    row = {**QUEUE.build_row(tx, channel, content, now), "cart_id": cart_id, "limit": limit}
    return tx.execute(_ADD, row).rowcount == 1


def add_reminder(
    tx: Connection,
    cart_id: str,
    kind: str,
    channel: str,
    content: Mapping[str, str],
    now: datetime,
) -> None:
    """Queue a reminder that is due at once; it counts against no limit of the cart."""
    row = {**QUEUE.build_row(tx, channel, content, now), "cart_id": cart_id, "reminder": kind}
    tx.execute(insert(messages), row)

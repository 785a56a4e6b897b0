"""Messages to shoppers; a cart link counts against the limit of its cart, also once it is sent."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    func,
    insert,
    or_,
    select,
)

from chassis.notices.messages import SMS
from chassis.notices.queue import MessageQueue
from subscriptions_svc.store.tables import messages


def is_counted(sms_resets: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a message counts after so many resets of its subscription's SMS."""
    return or_(messages.c.channel != SMS, messages.c.sms_resets == sms_resets)


QUEUE = MessageQueue(messages)
_OF_CART = (
    messages.c.cart_id == bindparam("cart_id"),
    messages.c.channel == bindparam("channel"),
    is_counted(bindparam("sms_resets", type_=messages.c.sms_resets.type)),
    messages.c.reminder.is_(None),
)
_COUNT = select(func.count()).where(*_OF_CART)
_COLUMNS = ("id", "cart_id", "sms_resets", "channel", "content", "created_at", "due_at", "tries")
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


def count_messages(tx: Connection, cart_id: str, channel: str, sms_resets: int) -> int:
    """Return how many messages of a channel a cart has had, SMS since the last of their resets."""
    key = {"cart_id": cart_id, "channel": channel, "sms_resets": sms_resets}
    counted: int = tx.execute(_COUNT, key).scalar_one()
    return counted


def add_message(
    tx: Connection,
    cart_id: str,
    channel: str,
    content: Mapping[str, str],
    limit: int,
    now: datetime,
    *,
    sms_resets: int = 0,
) -> bool:
    """Queue a message that is due at once; returns False when its cart has had `limit` already.

    The caller holds the row of the cart's subscription.
    """
    more = {"cart_id": cart_id, "sms_resets": sms_resets, "limit": limit}
    row = {**QUEUE.build_row(tx, channel, content, now), **more}
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

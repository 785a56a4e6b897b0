"""Messages to shoppers: kept in the transaction of the call that wants them, and sent after it.

A row is taken by one sender at a time: whoever takes it moves `due_at` ahead, past any time that
sending may take, and after a crash it falls due again there. What a message says is kept only
until it is sent or given up; the row stays, and counts against the limit of its cart.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Row, bindparam, func, insert, null, select, update

from subscriptions_svc.notices.channels import Message
from subscriptions_svc.store.tables import messages

TRIES = 10
LEASE = timedelta(minutes=5)
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)

_OF_CART = (messages.c.cart_id == bindparam("cart_id"), messages.c.channel == bindparam("channel"))
_COUNT = select(func.count()).where(*_OF_CART)
_GIVEN = ("id", "cart_id", "channel", "content", "created_at", "due_at", "tries")
_ADD = (
    insert(messages)
    .from_select(
        _GIVEN,
        select(*(bindparam(name, type_=messages.c[name].type) for name in _GIVEN)).where(
            _COUNT.scalar_subquery() < bindparam("limit", type_=Integer())
        ),
    )
    .execution_options(preserve_rowcount=True)
)
_DUE = messages.c.due_at <= bindparam("now")
_ANY_DUE = select(messages.c.id).where(_DUE).limit(1)
_NEXT = select(messages.c.id).where(_DUE).order_by(messages.c.due_at).limit(1)
# With "=" and not "IN": PostgreSQL then looks for the one row once, whatever its plan.
_TAKE = (
    update(messages)
    .where(messages.c.id == _NEXT.with_for_update(skip_locked=True).scalar_subquery(), _DUE)
    .values(due_at=bindparam("until"), tries=messages.c.tries + 1)
    .returning(messages)
)
_SETTLE = update(messages).where(
    messages.c.id == bindparam("taken"), messages.c.due_at == bindparam("until")
)


class Text(NamedTuple):
    """What a message says, and to whom."""

    to: str
    subject: str
    text: str
    language: str
    shop: str


def count(tx: Connection, cart_id: str, channel: str) -> int:
    """How many messages of a channel a cart has had."""
    counted: int = tx.execute(_COUNT, {"cart_id": cart_id, "channel": channel}).scalar_one()
    return counted


def add(
    tx: Connection, cart_id: str, channel: str, content: Text, limit: int, now: datetime
) -> bool:
    """Keep a message that is to be sent at once; False when its cart has had so many already.

    The caller holds the row of the cart's subscription.
    """
    row = {
        "id": str(uuid.uuid4()),
        "cart_id": cart_id,
        "channel": channel,
        "content": content._asdict(),
        "created_at": now,
        "due_at": now,
        "tries": 0,
        "limit": limit,
    }
    return tx.execute(_ADD, row).rowcount == 1


def any_due(tx: Connection, now: datetime) -> bool:
    """Whether a message waits that nobody sends."""
    return tx.execute(_ANY_DUE, {"now": now}).first() is not None


def take(tx: Connection, now: datetime) -> Row[Any] | None:
    """The message that has waited longest, for this sender alone until the lease ends."""
    return tx.execute(_TAKE, {"now": now, "until": now + LEASE}).first()


def message(taken: Row[Any]) -> Message:
    """What to send."""
    content = Text(**taken.content)
    return Message(taken.id, taken.channel, *content, taken.created_at)


def sent(tx: Connection, taken: Row[Any], now: datetime) -> None:
    """It is sent: what it said is forgotten."""
    _end(tx, taken, "sent", now)


def failed(tx: Connection, taken: Row[Any], now: datetime, *, lasting: bool) -> None:
    """It is not sent: it is tried again later, unless that is of no use or was tried enough."""
    if lasting or taken.tries >= TRIES:
        _end(tx, taken, "failed", now)
    else:
        wait = min(FIRST_WAIT * 2 ** (taken.tries - 1), LONGEST_WAIT)
        _settle(tx, taken, due_at=now + wait)


def _end(tx: Connection, taken: Row[Any], outcome: str, now: datetime) -> None:
    _settle(tx, taken, due_at=null(), content=null(), outcome=outcome, ended_at=now)


def _settle(tx: Connection, taken: Row[Any], **values: Any) -> None:
    key = {"taken": taken.id, "until": taken.due_at}
    tx.execute(_SETTLE.values(values), key)

"""Reminders: which subscriptions are looked at, and whose shoppers want none."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, or_, select, text, update

from chassis.errors import NotFound
from chassis.store.database import add_if_absent
from subscriptions_svc.store.reminding.tables import reminders
from subscriptions_svc.store.subscriptions import CODE_PATTERN, generate_code
from subscriptions_svc.store.tables import merchants, subscriptions

_DUE = (
    select(subscriptions.c.id)
    .join(merchants)
    .join(reminders, reminders.c.subscription_id == subscriptions.c.id, isouter=True)
    .where(
        merchants.c.reminders != "",
        text("subscriptions.status IN ('sent', 'in_progress', 'activating', 'active')"),
        subscriptions.c.erased_at.is_(None),
        reminders.c.stopped_at.is_(None),
        or_(reminders.c.look_at.is_(None), reminders.c.look_at <= bindparam("now")),
    )
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(of=subscriptions, skip_locked=True)
)
_OF = select(reminders).where(reminders.c.subscription_id == bindparam("subscription_id"))
_BY_CODE = select(reminders).where(reminders.c.code == bindparam("code"))
_IS_IT = reminders.c.subscription_id == bindparam("where_id")


def find_due_subscriptions(tx: Connection, now: datetime, limit: int) -> Sequence[str]:
    """Lock and return up to `limit` subscriptions to look at; skips those locked by others."""
    return tx.execute(_DUE, {"now": now, "limit": limit}).scalars().all()


def prepare_reminders(tx: Connection, subscription_id: str, now: datetime) -> Row[Any]:
    """Return the row of a subscription's reminders, which its first look adds."""
    row = {"subscription_id": subscription_id, "code": generate_code(), "look_at": now}
    add_if_absent(tx, reminders, row)
    return tx.execute(_OF, {"subscription_id": subscription_id}).one()


def put_off(tx: Connection, subscription_id: str, look_at: datetime, **values: Any) -> None:
    """Write when to look at a subscription again, and what was done."""
    key = {"where_id": subscription_id}
    tx.execute(update(reminders).where(_IS_IT).values(look_at=look_at, **values), key)


def find_by_code(tx: Connection, code: str) -> Row[Any]:
    """Return the reminders that a link is about; raises NotFound."""
    found = tx.execute(_BY_CODE, {"code": code}).first() if CODE_PATTERN.fullmatch(code) else None
    if found is None:
        raise NotFound("There is no such link.")
    return found


def stop(tx: Connection, subscription_id: str, now: datetime) -> None:
    """Record that the shopper wants no reminders, once."""
    once = update(reminders).where(_IS_IT, reminders.c.stopped_at.is_(None))
    tx.execute(once.values(stopped_at=now), {"where_id": subscription_id})

"""Changes of a lens's parameters: its row has those of today, a history those before.

The ledger of boxes shows a lens as it was when they were handed over: see `select_then`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    bindparam,
    func,
    insert,
    select,
    update,
)

from chassis.context import get_caller, get_current_call
from subscriptions_svc.store.tables import box_deliveries, cart_items, graduation_changes

PARAMETERS = ("reference", "name")
_LAST_DELIVERY = select(func.coalesce(func.max(box_deliveries.c.id), 0)).where(
    box_deliveries.c.item_id == bindparam("item_id")
)
_ADD = insert(graduation_changes)


def change_lens(tx: Connection, item: Row[Any], values: Mapping[str, Any], now: datetime) -> bool:
    """Change the parameters of a lens, and record those before; returns whether any differs.

    The caller holds the subscription's lock.
    """
    changed = {
        name: values[name]
        for name in PARAMETERS
        if name in values and values[name] != getattr(item, name)
    }
    if not changed:
        return False
    row = {
        "item_id": item.id,
        **{name: getattr(item, name) for name in PARAMETERS},
        "last_delivery_id": tx.execute(_LAST_DELIVERY, {"item_id": item.id}).scalar_one(),
        "account_id": get_caller().id,
        "request_id": get_current_call().request_id,
        "changed_at": now,
    }
    tx.execute(_ADD, row)
    tx.execute(update(cart_items).where(cart_items.c.id == item.id).values(**changed))
    return True


def select_then(name: str) -> ColumnElement[Any]:
    """Select a parameter of the lens of a ledger entry, as it was when its boxes were handed over.

    It is that before the first change after the entry, else today's.
    """
    changes = graduation_changes.c
    before: Column[Any] = changes[name]
    earlier = (
        select(before)
        .where(
            changes.item_id == box_deliveries.c.item_id,
            changes.last_delivery_id >= box_deliveries.c.id,
        )
        .order_by(changes.id)
        .limit(1)
        .correlate(box_deliveries)
        .scalar_subquery()
    )
    return func.coalesce(earlier, cart_items.c[name])

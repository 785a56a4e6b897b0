"""What became of boxes handed to a carrier: delivered, or returned and taken off the count.

An outcome is recorded once: its delivery is the key. Whoever records one holds the
subscription's lock.
"""

from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    union_all,
    update,
)

from subscriptions_svc.rules.prescriptions.outcomes import RETURNED
from subscriptions_svc.store.box_deliveries import DeliveryContext, carry_over
from subscriptions_svc.store.tables import (
    box_counters,
    box_deliveries,
    box_outcomes,
    cart_items,
    subscriptions,
)

_ADD = insert(box_outcomes)
_IS_COUNTER = (
    box_counters.c.item_id == bindparam("where_item_id"),
    box_counters.c.year == bindparam("where_year"),
)
_CAME_BACK = exists().where(
    box_outcomes.c.delivery_id == box_deliveries.c.id, box_outcomes.c.outcome == RETURNED
)
_NEWEST = select(func.max(box_deliveries.c.delivered_at)).where(
    box_deliveries.c.item_id == bindparam("where_item_id"),
    box_deliveries.c.year == bindparam("where_year"),
    ~_CAME_BACK,
)
_TAKE_BACK = (
    update(box_counters)
    .where(*_IS_COUNTER)
    .values(
        delivered=box_counters.c.delivered
        - bindparam("quantity", type_=box_counters.c.delivered.type),
        last_delivered_at=func.coalesce(
            _NEWEST.scalar_subquery(), box_counters.c.last_delivered_at
        ),
    )
)
_DROP_EMPTY = delete(box_counters).where(*_IS_COUNTER, box_counters.c.delivered == 0)
# Counters of lenses that only carry boxes of those they replaced: they are computed anew.
_DROP_CARRIED = delete(box_counters).where(
    box_counters.c.year == bindparam("where_year"),
    box_counters.c.delivered == box_counters.c.carried,
    box_counters.c.item_id.in_(
        select(cart_items.c.id).where(cart_items.c.subscription_id == bindparam("where_id"))
    ),
)
# When anything was handed over that did not come back.
_HANDED_OVER = union_all(
    select(box_deliveries.c.delivered_at.label("moment")).where(
        box_deliveries.c.subscription_id == bindparam("where_id"), ~_CAME_BACK
    ),
    select(cart_items.c.activated_at).where(
        cart_items.c.subscription_id == bindparam("where_id"),
        cart_items.c.activated_at.is_not(None),
    ),
).subquery()
_FIND_FIRST_ANEW = (
    update(subscriptions)
    .where(subscriptions.c.id == bindparam("where_id"))
    .values(first_delivery_at=select(func.min(_HANDED_OVER.c.moment)).scalar_subquery())
)


def add_outcome(tx: Connection, entry: Row[Any], outcome: str, context: DeliveryContext) -> None:
    """Record what became of the boxes of an entry of the ledger, whose outcome was unknown.

    Returned boxes no longer count, and the first delivery is the first that did not come back.
    """
    row = {
        "delivery_id": entry.id,
        "outcome": outcome,
        "account_id": context.account_id,
        "request_id": context.request_id,
        "recorded_at": context.delivered_at,
    }
    tx.execute(_ADD, row)
    if outcome == RETURNED:
        key = {"where_item_id": entry.item_id, "where_year": entry.year}
        tx.execute(_TAKE_BACK, {**key, "quantity": entry.quantity})
        tx.execute(_DROP_EMPTY, key)
        tx.execute(_FIND_FIRST_ANEW, {"where_id": context.subscription_id})


def carry_over_anew(tx: Connection, subscription: Row[Any], year: int) -> None:
    """Count the boxes of exchanged lenses of a year against the new ones again."""
    tx.execute(_DROP_CARRIED, {"where_id": subscription.id, "where_year": year})
    carry_over(tx, subscription.id, subscription.cart_id, year)

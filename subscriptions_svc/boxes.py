"""Boxes handed over: counted against the yearly cap, and kept in the ledger.

The cap is in the statement that counts, and once more as a constraint of the
table: no two calls together can pass it, on either engine.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from subscriptions_svc.store import box_counters, box_deliveries, cart_items

_COUNTERS = (
    select(box_counters, cart_items.c.subscription_id)
    .join(cart_items)
    .where(cart_items.c.subscription_id.in_(bindparam("ids", expanding=True)))
)


def _count(dialect: Any) -> Any:
    statement = dialect.insert(box_counters)
    delivered = box_counters.c.delivered + statement.excluded.delivered
    return statement.on_conflict_do_update(
        index_elements=["item_id", "year"],
        set_={"delivered": delivered, "last_delivered_at": statement.excluded.last_delivered_at},
        where=delivered <= box_counters.c.box_count,
    ).returning(box_counters.c.delivered)


_COUNT = {"sqlite": _count(sqlite), "postgresql": _count(postgresql)}
_ADD = insert(box_deliveries)


class Delivery(NamedTuple):
    """In which subscription and year, by which account and request, and when."""

    subscription_id: str
    year: int
    account_id: int
    request_id: str
    delivered_at: datetime


class Tally(NamedTuple):
    """Boxes of an item in the current subscription year, and its newest delivery of any year."""

    delivered: int = 0
    last_delivered_at: datetime | None = None


def tallies(tx: Connection, years: Mapping[str, int]) -> dict[str, Tally]:
    """The tally of each item that was ever delivered, of subscriptions with their current years."""
    found: dict[str, Tally] = {}
    for row in tx.execute(_COUNTERS, {"ids": list(years)}):
        delivered, newest = found.get(row.item_id, Tally())
        if row.year == years[row.subscription_id]:
            delivered = row.delivered
        if newest is None or row.last_delivered_at > newest:
            newest = row.last_delivered_at
        found[row.item_id] = Tally(delivered, newest)
    return found


def deliver(
    tx: Connection, wanted: Iterable[tuple[Row[Any], int]], delivery: Delivery
) -> tuple[dict[str, int], list[Row[Any]]]:
    """Hand over boxes of items; gives by item id what is delivered now, and the items without room.

    Where there are any of those the caller raises, and nothing of it stays.
    """
    count, moment = _COUNT[tx.dialect.name], {"last_delivered_at": delivery.delivered_at}
    delivered: dict[str, int] = {}
    without_room: list[Row[Any]] = []
    ledger: list[dict[str, Any]] = []
    for item, quantity in wanted:
        row = {"item_id": item.id, "year": delivery.year, "box_count": item.box_count, **moment}
        # The first row of a year meets no WHERE, only the constraint.
        fits = quantity <= item.box_count
        after = tx.execute(count, {**row, "delivered": quantity}).scalar() if fits else None
        if after is None:
            without_room.append(item)
        else:
            delivered[item.id] = after
        ledger.append({"item_id": item.id, "quantity": quantity, **delivery._asdict()})
    if not without_room:
        tx.execute(_ADD, ledger)
    return delivered, without_room

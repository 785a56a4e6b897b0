"""Boxes handed over: counted against the yearly cap, and kept in the ledger.

The cap is in the statement that counts, and once more as a constraint of the table: no two calls
together can pass it, on either engine. A counter is what the ledger says of its item and year, and
what was carried over from lenses that are gone: `disagreements` finds one that is not.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from subscriptions_svc.rules.carts import CONTACT_LENS
from subscriptions_svc.rules.changes import carried
from subscriptions_svc.store.tables import box_counters, box_deliveries, cart_items

_COUNTERS = (
    select(box_counters).join(cart_items).where(cart_items.c.subscription_id == bindparam("of"))
)


def _count(dialect: Any) -> Any:
    statement = dialect.insert(box_counters)
    delivered = box_counters.c.delivered + statement.excluded.delivered
    return statement.on_conflict_do_update(
        index_elements=["item_id", "year"],
        set_={"delivered": delivered, "last_delivered_at": statement.excluded.last_delivered_at},
        where=delivered <= box_counters.c.box_count,
    ).returning(box_counters.c.delivered)


def _carry(dialect: Any) -> Any:
    statement = dialect.insert(box_counters)
    names = ("delivered", "carried", "last_delivered_at")
    return statement.on_conflict_do_update(
        index_elements=["item_id", "year"], set_={name: statement.excluded[name] for name in names}
    )


_CARRY = {"sqlite": _carry(sqlite), "postgresql": _carry(postgresql)}
_COUNT = {"sqlite": _count(sqlite), "postgresql": _count(postgresql)}
_ADD = insert(box_deliveries)
_OF_YEAR = (
    select(
        cart_items.c.id,
        cart_items.c.eye,
        cart_items.c.box_count,
        cart_items.c.added_in,
        cart_items.c.removed_in,
        func.coalesce(func.sum(box_deliveries.c.quantity), 0).label("delivered"),
        func.max(box_deliveries.c.delivered_at).label("last_delivered_at"),
    )
    .outerjoin(
        box_deliveries,
        and_(
            box_deliveries.c.item_id == cart_items.c.id,
            box_deliveries.c.year == bindparam("of_year"),
        ),
    )
    .where(cart_items.c.subscription_id == bindparam("of"), cart_items.c.type == CONTACT_LENS)
    .group_by(cart_items.c.id)
    .order_by(cart_items.c.position)
)
_LEDGER = (
    select(
        box_deliveries.c.item_id,
        box_deliveries.c.year,
        func.sum(box_deliveries.c.quantity).label("delivered"),
    )
    .group_by(box_deliveries.c.item_id, box_deliveries.c.year)
    .subquery()
)
_DISAGREEMENTS = (
    select(
        func.coalesce(box_counters.c.item_id, _LEDGER.c.item_id).label("item_id"),
        func.coalesce(box_counters.c.year, _LEDGER.c.year).label("year"),
        func.coalesce(box_counters.c.delivered - box_counters.c.carried, 0).label("counted"),
        func.coalesce(_LEDGER.c.delivered, 0).label("delivered"),
    )
    .join_from(
        box_counters,
        _LEDGER,
        and_(
            box_counters.c.item_id == _LEDGER.c.item_id,
            box_counters.c.year == _LEDGER.c.year,
        ),
        full=True,
    )
    .where(
        func.coalesce(box_counters.c.delivered - box_counters.c.carried, 0)
        != func.coalesce(_LEDGER.c.delivered, 0)
    )
)


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

    def with_year(self, counted: Row[Any], current_year: int) -> "Tally":
        """With what is counted of one year more."""
        delivered, newest = self
        if counted.year == current_year:
            delivered = counted.delivered
        if newest is None or counted.last_delivered_at > newest:
            newest = counted.last_delivered_at
        return Tally(delivered, newest)


def tallies(tx: Connection, subscription_id: str, year: int) -> dict[str, Tally]:
    """The tally of each item of a subscription that was ever delivered."""
    found: dict[str, Tally] = {}
    for row in tx.execute(_COUNTERS, {"of": subscription_id}):
        found[row.item_id] = found.get(row.item_id, Tally()).with_year(row, year)
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


def carry_over(tx: Connection, subscription_id: str, cart_id: str, year: int) -> None:
    """Count boxes of this year for lenses that are gone at those of the cart, new ones first.

    All of it follows from the ledger, however often the cart has changed this year.
    """
    rows = tx.execute(_OF_YEAR, {"of": subscription_id, "of_year": year}).all()
    lenses = [row for row in rows if row.removed_in is None]
    lenses.sort(key=lambda row: row.added_in != cart_id)
    gone = [row for row in rows if row.removed_in is not None and row.delivered]
    taken = carried(
        [(row.id, row.eye, row.box_count) for row in lenses],
        [(row.eye, row.delivered) for row in gone],
        {row.id: row.delivered for row in lenses},
    )
    newest = max((row.last_delivered_at for row in gone), default=None)
    counters = [
        {
            "item_id": row.id,
            "year": year,
            "box_count": row.box_count,
            "delivered": row.delivered + taken[row.id],
            "carried": taken[row.id],
            "last_delivered_at": row.last_delivered_at or newest,
        }
        for row in lenses
        if row.last_delivered_at or newest
    ]
    if counters:
        tx.execute(_CARRY[tx.dialect.name], counters)


def disagreements(tx: Connection) -> list[tuple[str, int, int, int]]:
    """Item, year, own boxes by the counter and by the ledger, where they differ."""
    return [tuple(row) for row in tx.execute(_DISAGREEMENTS)]

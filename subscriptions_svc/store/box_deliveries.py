"""Boxes handed over: the ledger, and the counters that keep it within the yearly cap.

The cap is a condition of the statement that counts, and a constraint of the table: concurrent calls
cannot exceed it, on either engine. A counter is the sum of its item's and year's ledger entries,
plus the boxes carried over from lenses taken out: `find_wrong_counters` finds any that is not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Row, and_, bindparam, case, func, insert, select

from chassis.pages import compute_page_offset
from chassis.store.database import upsert
from subscriptions_svc.rules.carts import CONTACT_LENS
from subscriptions_svc.rules.changes import carry_boxes
from subscriptions_svc.rules.prescriptions.outcomes import RETURNED
from subscriptions_svc.store.graduation.changes import select_then
from subscriptions_svc.store.tables import (
    accounts,
    box_counters,
    box_deliveries,
    box_outcomes,
    cart_items,
    merchants,
    subscriptions,
)

_IS_OUTCOME = box_outcomes.c.delivery_id == box_deliveries.c.id
# Boxes that came back do not count.
_CAME_BACK = box_outcomes.c.outcome == RETURNED
_COUNTED = case((_CAME_BACK, 0), else_=box_deliveries.c.quantity)
# What is known of boxes now.
_OUTCOME = func.coalesce(box_outcomes.c.outcome, box_deliveries.c.outcome).label("outcome")
REPORT_BATCH = 1000  # rows of a report in memory at a time

_COUNTERS = (
    select(box_counters)
    .join(cart_items)
    .where(cart_items.c.subscription_id == bindparam("subscription_id"))
)
_COUNT = upsert(
    box_counters,
    lambda new: {
        "delivered": box_counters.c.delivered + new.delivered,
        "last_delivered_at": new.last_delivered_at,
    },
    where=lambda new: box_counters.c.delivered + new.delivered <= box_counters.c.box_count,
).returning(box_counters.c.delivered)
_CARRY = upsert(box_counters, ["delivered", "carried", "last_delivered_at"])
_ADD = insert(box_deliveries)
_OF_YEAR = (
    select(
        cart_items.c.id,
        cart_items.c.eye,
        cart_items.c.box_count,
        cart_items.c.added_in,
        cart_items.c.removed_in,
        func.coalesce(func.sum(_COUNTED), 0).label("delivered"),
        func.max(case((_CAME_BACK, None), else_=box_deliveries.c.delivered_at)).label(
            "last_delivered_at"
        ),
    )
    .outerjoin(
        box_deliveries,
        and_(
            box_deliveries.c.item_id == cart_items.c.id, box_deliveries.c.year == bindparam("year")
        ),
    )
    .outerjoin(box_outcomes, _IS_OUTCOME)
    .where(
        cart_items.c.subscription_id == bindparam("subscription_id"),
        cart_items.c.type == CONTACT_LENS,
    )
    .group_by(cart_items.c.id)
    .order_by(cart_items.c.position)
)
_LEDGER = (
    select(
        box_deliveries.c.item_id,
        box_deliveries.c.year,
        func.sum(_COUNTED).label("delivered"),
    )
    .select_from(box_deliveries)
    .outerjoin(box_outcomes, _IS_OUTCOME)
    .group_by(box_deliveries.c.item_id, box_deliveries.c.year)
    .subquery()
)
_OWN_COUNT = func.coalesce(box_counters.c.delivered - box_counters.c.carried, 0)
_LEDGER_COUNT = func.coalesce(_LEDGER.c.delivered, 0)
_WRONG_COUNTERS = (
    select(
        func.coalesce(box_counters.c.item_id, _LEDGER.c.item_id).label("item_id"),
        func.coalesce(box_counters.c.year, _LEDGER.c.year).label("year"),
        _OWN_COUNT.label("counted"),
        _LEDGER_COUNT.label("delivered"),
    )
    .join_from(
        box_counters,
        _LEDGER,
        and_(box_counters.c.item_id == _LEDGER.c.item_id, box_counters.c.year == _LEDGER.c.year),
        full=True,
    )
    .where(_OWN_COUNT != _LEDGER_COUNT)
)
_IS_OF_SUBSCRIPTION = box_deliveries.c.subscription_id == bindparam("subscription_id")
_TOTAL = select(func.count()).select_from(box_deliveries).where(_IS_OF_SUBSCRIPTION)
_ENTRIES = (
    select(
        box_deliveries.c.id,
        box_deliveries.c.item_id,
        box_deliveries.c.delivered_at,
        box_deliveries.c.quantity,
        box_deliveries.c.year,
        box_deliveries.c.request_id,
        accounts.table.c.name.label("account"),
        cart_items.c.reference_uuid,
        select_then("reference").label("reference"),
        select_then("name").label("name"),
        cart_items.c.eye,
        _OUTCOME,
        box_outcomes.c.recorded_at,
    )
    .select_from(box_deliveries)
    .join(cart_items, cart_items.c.id == box_deliveries.c.item_id)
    .join(accounts.table, accounts.table.c.id == box_deliveries.c.account_id)
    .outerjoin(box_outcomes, _IS_OUTCOME)
    .where(_IS_OF_SUBSCRIPTION)
)
_ENTRY = _ENTRIES.where(box_deliveries.c.id == bindparam("id"))
_PAGE = (
    _ENTRIES.order_by(box_deliveries.c.id.desc())
    .limit(bindparam("per_page", type_=Integer()))
    .offset(bindparam("offset", type_=Integer()))
)
_REPORT = (
    select(
        box_deliveries.c.delivered_at,
        box_deliveries.c.quantity,
        box_deliveries.c.year,
        box_deliveries.c.request_id,
        accounts.table.c.name.label("account"),
        merchants.c.id.label("merchant_id"),
        merchants.c.time_zone,
        subscriptions.c.store_ref,
        subscriptions.c.id.label("subscription_id"),
        subscriptions.c.reference.label("subscription_reference"),
        subscriptions.c.contract_number,
        select_then("reference").label("item_reference"),
        cart_items.c.reference_uuid,
        select_then("name").label("item_name"),
        cart_items.c.eye,
        _OUTCOME,
    )
    .select_from(box_deliveries)
    .join(accounts.table, accounts.table.c.id == box_deliveries.c.account_id)
    .join(cart_items, cart_items.c.id == box_deliveries.c.item_id)
    .join(subscriptions, subscriptions.c.id == box_deliveries.c.subscription_id)
    .join(merchants, merchants.c.id == subscriptions.c.merchant_id)
    .outerjoin(box_outcomes, _IS_OUTCOME)
    .where(
        box_deliveries.c.delivered_at >= bindparam("since"),
        box_deliveries.c.delivered_at < bindparam("until"),
    )
    .order_by(box_deliveries.c.delivered_at, box_deliveries.c.id)
)


class DeliveryContext(NamedTuple):
    """What the deliveries of one call share: subscription, year, account, request and moment."""

    subscription_id: str
    year: int
    account_id: int
    request_id: str
    delivered_at: datetime


class Tally(NamedTuple):
    """Boxes of an item in the current subscription year, and its newest delivery of any year."""

    delivered: int = 0
    last_delivered_at: datetime | None = None

    def add_year(self, counter: Row[Any], current_year: int) -> "Tally":
        """Return the tally with one more year's counter in it."""
        delivered, newest = self
        if counter.year == current_year:
            delivered = counter.delivered
        if newest is None or counter.last_delivered_at > newest:
            newest = counter.last_delivered_at
        return Tally(delivered, newest)


NO_BOXES = Tally()


def read_tallies(tx: Connection, subscription_id: str, year: int) -> dict[str, Tally]:
    """Return the tally of each item of a subscription that has ever been delivered."""
    tallies: dict[str, Tally] = {}
    for counter in tx.execute(_COUNTERS, {"subscription_id": subscription_id}):
        tally = tallies.get(counter.item_id, NO_BOXES)
        tallies[counter.item_id] = tally.add_year(counter, year)
    return tallies


def add_deliveries(
    tx: Connection,
    deliveries: Iterable[tuple[Row[Any], Mapping[str, int]]],
    context: DeliveryContext,
) -> tuple[dict[str, int], list[Row[Any]]]:
    """Count and record boxes by outcome; returns boxes by item id, and items without room.

    If any item is without room the caller raises, which rolls back all of it.
    """
    delivered: dict[str, int] = {}
    without_room: list[Row[Any]] = []
    entries: list[dict[str, Any]] = []
    for item, quantities in deliveries:
        quantity = sum(quantities.values())
        counter = {
            "item_id": item.id,
            "year": context.year,
            "box_count": item.box_count,
            "delivered": quantity,
            "last_delivered_at": context.delivered_at,
        }
        # The first row of a year meets no WHERE, only the constraint.
        fits = quantity <= item.box_count
        after = tx.execute(_COUNT, counter).scalar() if fits else None
        if after is None:
            without_room.append(item)
        else:
            delivered[item.id] = after
        entries += [
            {"item_id": item.id, "outcome": outcome, "quantity": each, **context._asdict()}
            for outcome, each in quantities.items()
        ]
    if not without_room:
        tx.execute(_ADD, entries)
    return delivered, without_room


def carry_over(tx: Connection, subscription_id: str, cart_id: str, year: int) -> None:
    """Count this year's boxes of lenses taken out against those of the cart, new lenses first.

    It is computed from the ledger alone, however often the cart has changed this year.
    """
    rows = tx.execute(_OF_YEAR, {"subscription_id": subscription_id, "year": year}).all()
    lenses = [row for row in rows if row.removed_in is None]
    lenses.sort(key=lambda row: row.added_in != cart_id)
    gone = [row for row in rows if row.removed_in is not None and row.delivered]
    carried = carry_boxes(
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
            "delivered": row.delivered + carried[row.id],
            "carried": carried[row.id],
            "last_delivered_at": row.last_delivered_at or newest,
        }
        for row in lenses
        if row.last_delivered_at or newest
    ]
    if counters:
        tx.execute(_CARRY, counters)


def find_wrong_counters(tx: Connection) -> list[tuple[str, int, int, int]]:
    """Return item, year, and the item's own boxes by counter and by ledger, where they differ."""
    return [tuple(row) for row in tx.execute(_WRONG_COUNTERS)]


def read_page(
    tx: Connection, subscription_id: str, page: int, per_page: int
) -> tuple[Sequence[Any], int]:
    """Return one page of a subscription's ledger, newest first, and the total of entries."""
    key = {"subscription_id": subscription_id}
    window = {"per_page": per_page, "offset": compute_page_offset(page, per_page)}
    total: int = tx.execute(_TOTAL, key).scalar_one()
    return tx.execute(_PAGE, {**key, **window}).all(), total


def find_entry(tx: Connection, subscription_id: str, delivery_id: int) -> Any:
    """Return an entry of a subscription's ledger; None if it has none of this id."""
    return tx.execute(_ENTRY, {"subscription_id": subscription_id, "id": delivery_id}).first()


def stream_ledger(tx: Connection, since: datetime, until: datetime) -> Iterator[Any]:
    """Yield the ledger entries of a period, oldest first, with what a report shows of each."""
    streamed = tx.execution_options(yield_per=REPORT_BATCH)
    yield from streamed.execute(_REPORT, {"since": since, "until": until})

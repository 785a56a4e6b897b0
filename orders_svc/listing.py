"""Lists of orders, one page at a time.

A page begins at an order and not at a number, so that orders which arrive
meanwhile neither repeat nor hide others. The indexes `ix_orders_listing` and
`ix_orders_queue` hold the two lists in their order.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Row, select, tuple_

from chassis.context import Account
from chassis.errors import Fault, Invalid
from orders_svc.statuses import LabStatus
from orders_svc.store import orders

LISTED = select(*(each for each in orders.c if each.name not in ("document", "warnings", "traced")))


class Page(NamedTuple):
    """Some orders, and whether there are more in the direction of the page."""

    rows: Sequence[Row[Any]]
    has_more: bool


def orders_of(tx: Connection, account: Account, filters: Mapping[str, Any]) -> Page:
    """A client's orders to a lab of one of his users, newest first; raises Invalid for a cursor."""
    listed = LISTED.where(
        orders.c.account_id == account.id,
        orders.c.lab_id == filters["lab"],
        orders.c.account_number == filters["account_number"],
    )
    return _page(tx, listed, orders.c.created_at, [*_created(filters)], filters, rising=False)


def queue_of(tx: Connection, filters: Mapping[str, Any]) -> Page:
    """Orders of a lab in one state, first submitted first; raises Invalid for a cursor."""
    listed = LISTED.where(orders.c.lab_id == filters["lab"], orders.c.submitted_at.is_not(None))
    state = orders.c.lab_status == filters.get("lab_status", LabStatus.SUBMITTED)
    return _page(tx, listed, orders.c.submitted_at, [state], filters, rising=True)


def _page(
    tx: Connection,
    listed: Any,
    moment: Column[datetime],
    wanted: list[ColumnElement[bool]],
    filters: Mapping[str, Any],
    *,
    rising: bool,
) -> Page:
    """A page of a list in order of `moment`.

    The cursor may be any order of the list, wanted or not: meanwhile it may have moved.
    """
    place, limit = tuple_(moment, orders.c.id), filters["limit"]
    back = "ending_before" in filters
    for name in ("starting_after", "ending_before"):
        if name in filters:
            cursor = tx.execute(listed.where(orders.c.id == filters[name])).first()
            if cursor is None:
                fault = Fault(name, "Must be the id of an order of this list.")
                raise Invalid("The cursor is unknown.", faults=[fault])
            here = (cursor._mapping[moment], cursor.id)
            wanted.append(place > here if rising != back else place < here)
    order = [moment, orders.c.id] if rising != back else [moment.desc(), orders.c.id.desc()]
    rows = tx.execute(listed.where(*wanted).order_by(*order).limit(limit + 1)).all()
    page = rows[:limit]
    return Page(page[::-1] if back else page, len(rows) > limit)


def _created(filters: Mapping[str, Any]) -> Iterator[ColumnElement[bool]]:
    """The bounds of `created`, which is told in whole seconds."""
    moment = orders.c.created_at
    if "created_gt" in filters:
        yield moment >= _second(filters["created_gt"] + 1)
    if "created_gte" in filters:
        yield moment >= _second(filters["created_gte"])
    if "created_lt" in filters:
        yield moment < _second(filters["created_lt"])
    if "created_lte" in filters:
        yield moment < _second(filters["created_lte"] + 1)


def _second(number: int) -> datetime:
    return datetime.fromtimestamp(number, UTC)

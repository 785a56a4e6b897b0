"""Lists of orders, one page at a time.

A page begins at an order, not at a number, so that orders added in the meantime neither repeat
nor hide others; one of newer orders ends at a horizon (`orders_svc.store.horizon`). The indexes
`ix_orders_listing` and `ix_orders_queue` hold the two lists in their order.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Row, select, tuple_

from chassis.context import Account
from chassis.errors import Fault, Invalid
from orders_svc.rules.lab_status import LabStatus
from orders_svc.store.horizon import build_horizon_conditions
from orders_svc.store.personal import ORDERS
from orders_svc.store.tables import orders

LISTED_ORDERS = select(*(each for each in orders.c if each.name not in ORDERS.columns))
_LAB_ORDERS = LISTED_ORDERS.add_columns(orders.c.tracking_number)


class Page(NamedTuple):
    """A page of orders, and whether there are more in its direction."""

    rows: Sequence[Row[Any]]
    has_more: bool


def list_orders(tx: Connection, account: Account, filters: Mapping[str, Any]) -> Page:
    """Return a client's orders to one lab account, newest first; raises Invalid for a cursor."""
    listed = LISTED_ORDERS.where(
        orders.c.account_id == account.id,
        orders.c.lab_id == filters["lab"],
        orders.c.account_number == filters["account_number"],
    )
    conditions = [*_build_created_conditions(filters)]
    if "ending_before" in filters:
        conditions += build_horizon_conditions(tx)
    conditions += build_person_conditions(filters)
    return _read_page(tx, listed, orders.c.created_at, conditions, filters, ascending=False)


def list_lab_orders(tx: Connection, filters: Mapping[str, Any]) -> Page:
    """Return a lab's orders of one status, first submitted first; raises Invalid for a cursor."""
    listed = _LAB_ORDERS.where(
        orders.c.lab_id == filters["lab"], orders.c.submitted_at.is_not(None)
    )
    status = orders.c.lab_status == filters.get("lab_status", LabStatus.SUBMITTED)
    conditions = [status, *build_person_conditions(filters)]
    if "starting_after" in filters:
        conditions += build_horizon_conditions(tx, orders.c.submitted_at)
    page = _read_page(tx, listed, orders.c.submitted_at, conditions, filters, ascending=True)
    return page._replace(rows=ORDERS.open_all(tx, page.rows))


def build_person_conditions(filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the condition on the person, if the filters name one."""
    if "person_ref" not in filters:
        return []
    return [orders.c.person_ref == filters["person_ref"]]


def build_unknown_cursor(name: str) -> Invalid:
    """Return the error for a cursor that is no order of the list."""
    fault = Fault(name, "Must be the id of an order of this list.")
    return Invalid("The cursor is unknown.", faults=[fault])


def _read_page(
    tx: Connection,
    listed: Any,
    moment: Column[datetime],
    conditions: list[ColumnElement[bool]],
    filters: Mapping[str, Any],
    *,
    ascending: bool,
) -> Page:
    """Return a page of a list in order of `moment`.

    The cursor may be any order of the list, whether or not it still meets the conditions: its
    status may have changed in the meantime.
    """
    position, limit = tuple_(moment, orders.c.id), filters["limit"]
    backward = "ending_before" in filters
    for name in ("starting_after", "ending_before"):
        if name in filters:
            cursor = tx.execute(listed.where(orders.c.id == filters[name])).first()
            if cursor is None:
                raise build_unknown_cursor(name)
            at = (cursor._mapping[moment], cursor.id)
            conditions.append(position > at if ascending != backward else position < at)
    columns = [moment, orders.c.id]
    order = columns if ascending != backward else [column.desc() for column in columns]
    rows = tx.execute(listed.where(*conditions).order_by(*order).limit(limit + 1)).all()
    page = rows[:limit]
    return Page(page[::-1] if backward else page, len(rows) > limit)


def _build_created_conditions(filters: Mapping[str, Any]) -> Iterator[ColumnElement[bool]]:
    """Yield the bounds on `created`, which has whole seconds."""
    moment = orders.c.created_at
    if "created_gt" in filters:
        yield moment >= _to_datetime(filters["created_gt"] + 1)
    if "created_gte" in filters:
        yield moment >= _to_datetime(filters["created_gte"])
    if "created_lt" in filters:
        yield moment < _to_datetime(filters["created_lt"])
    if "created_lte" in filters:
        yield moment < _to_datetime(filters["created_lte"] + 1)


def _to_datetime(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

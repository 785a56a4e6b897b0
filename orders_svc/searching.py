"""The dashboard's list of orders: of all labs of a user, and what a text finds among them.

Both are bounded: the list takes a page from the index of each of the user's labs and merges them;
a search looks at `MOST` names of each index of names, and at whole numbers.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, tuple_, union, union_all

from chassis.context import Account
from chassis.errors import Fault, Invalid
from optics.names import fold
from orders_svc.listing import Page
from orders_svc.orders import SEEN
from orders_svc.store import labs, labs_of, orders

MOST = 500
_END = "\U0010ffff"  # no letter comes after it
_PATIENT = orders.c.document["patient"]
_LISTED: Any = select(
    orders.c.id,
    orders.c.lab_status,
    orders.c.tray_number,
    orders.c.invoice_number,
    orders.c.created_at,
    orders.c.updated_at,
    labs.c.name.label("lab_name"),
    _PATIENT["first_name"].as_string().label("first_name"),
    _PATIENT["last_name"].as_string().label("last_name"),
).join(labs, labs.c.id == orders.c.lab_id)
_PLACE = (orders.c.created_at, orders.c.id)
_CURSOR = select(*_PLACE).where(orders.c.id == bindparam("cursor"), SEEN)
_NAMED = [
    select(orders.c.id)
    .where(SEEN, column >= bindparam("begins"), column < bindparam("ends"))
    .limit(MOST + 1)
    .subquery()
    for column in (orders.c.first_last, orders.c.last_first)
]
_NUMBERED = [
    select(orders.c.id).where(SEEN, column == bindparam("text"))
    for column in (orders.c.id, orders.c.tray_number, orders.c.invoice_number)
]
_COUNTS = [select(func.count()).select_from(named) for named in _NAMED]
_FOUND = orders.c.id.in_(union(*(select(named.c.id) for named in _NAMED), *_NUMBERED))


class Found(NamedTuple):
    """A page of orders, and whether more names begin with the text than were looked at."""

    page: Page
    too_many: bool = False


def search(tx: Connection, account: Account, user: int, filters: Mapping[str, Any]) -> Found:
    """Orders that a user sees, newest first; raises Invalid for a cursor that is none of them."""
    text = filters["text"].strip()
    begins = fold(text)
    me = {"of_account": account.id, "of_user": user}
    asked = {**me, "text": text, "begins": begins or _END, "ends": begins + _END}
    back = "ending_before" in filters
    wanted = _beyond(tx, me, filters)
    if not text:
        return Found(_merged(tx, me, wanted, filters["limit"], back))
    counts = [tx.execute(count, asked).scalar_one() for count in _COUNTS]
    page = _page(tx, asked, [_FOUND, *wanted], filters["limit"], back)
    return Found(page, max(counts) > MOST)


def _beyond(
    tx: Connection, me: dict[str, Any], filters: Mapping[str, Any]
) -> list[ColumnElement[bool]]:
    """What is older than the one cursor, or newer than the other."""
    for name in ("starting_after", "ending_before"):
        if name in filters:
            here = tx.execute(_CURSOR, {**me, "cursor": filters[name]}).first()
            if here is None:
                fault = Fault(name, "Must be the id of an order of this list.")
                raise Invalid("The cursor is unknown.", faults=[fault])
            place, there = tuple_(*_PLACE), tuple(here)
            return [place > there if name == "ending_before" else place < there]
    return []


def _merged(
    tx: Connection, me: dict[str, Any], wanted: list[ColumnElement[bool]], limit: int, back: bool
) -> Page:
    """A page of the orders of all labs of the user, from a page of each."""
    of_labs = [
        select(orders.c.id)
        .where(
            orders.c.account_id == me["of_account"],
            orders.c.lab_id == lab.id,
            orders.c.account_number == lab.account_number,
            *wanted,
        )
        .order_by(*_in_order(back))
        .limit(limit + 1)
        .subquery()
        for lab in labs_of(tx, me["of_user"])
    ]
    if not of_labs:
        return Page((), False)
    ids = union_all(*(select(each.c.id) for each in of_labs))
    return _page(tx, {}, [orders.c.id.in_(ids)], limit, back)


def _page(
    tx: Connection,
    values: dict[str, Any],
    wanted: list[ColumnElement[bool]],
    limit: int,
    back: bool,
) -> Page:
    listed = _LISTED.where(*wanted).order_by(*_in_order(back)).limit(limit + 1)
    rows = tx.execute(listed, values).all()
    return Page(rows[:limit][::-1] if back else rows[:limit], len(rows) > limit)


def _in_order(back: bool) -> list[Any]:
    return [*_PLACE] if back else [each.desc() for each in _PLACE]

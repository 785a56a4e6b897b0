"""The dashboard's list of orders: those of all labs of a user, or those that match a text.

Both are bounded: the list merges one page from the index of each of the user's labs; a search
examines at most `MAX_NAMES` entries of each index of names, and whole ids and numbers. Where names
are hashed, what a search of several words costs grows with what the longest of them finds.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    select,
    tuple_,
    union,
    union_all,
)

from chassis.context import Account
from chassis.store.encryption.columns import find_keyring
from chassis.store.encryption.keyring import Unopenable
from chassis.telemetry import describe, log
from orders_svc.rules.names import fold_search
from orders_svc.store.access.users import list_labs
from orders_svc.store.horizon import build_horizon_conditions
from orders_svc.store.order_lists import Page, build_person_conditions, build_unknown_cursor
from orders_svc.store.orders import VISIBLE, bind_visible
from orders_svc.store.personal import ORDERS
from orders_svc.store.tables import labs, name_words, orders
from orders_svc.store.words import match_hashed_names

MAX_NAMES = 500
_LAST_CHARACTER = "\U0010ffff"  # sorts after every letter
_PATIENT = orders.c.document["patient"]
_LISTED_COLUMNS: Any = (
    orders.c.id,
    orders.c.lab_status,
    orders.c.tray_number,
    orders.c.invoice_number,
    orders.c.created_at,
    orders.c.updated_at,
    labs.c.name.label("lab_name"),
)
_NAME_COLUMNS = [_PATIENT[name].as_string().label(name) for name in ("first_name", "last_name")]
_IS_LAB = labs.c.id == orders.c.lab_id
_LISTED_ORDERS: Any = select(*_LISTED_COLUMNS, *_NAME_COLUMNS).join(labs, _IS_LAB)
# Sealed documents are opened to be read.
_SEALED_ORDERS: Any = select(*_LISTED_COLUMNS, orders.c.document).join(labs, _IS_LAB)
_POSITION = (orders.c.created_at, orders.c.id)
_CURSOR = select(*_POSITION).where(orders.c.id == bindparam("where_id"), VISIBLE)
_BY_NAME = [
    select(orders.c.id)
    .where(VISIBLE, column >= bindparam("prefix"), column < bindparam("prefix_end"))
    .limit(MAX_NAMES + 1)
    .subquery()
    for column in (orders.c.first_last, orders.c.last_first)
]
_BY_NAME.append(
    select(orders.c.id)
    .join(name_words, name_words.c.order_id == orders.c.id)
    .where(
        name_words.c.account_id == bindparam("where_account_id"),
        name_words.c.name >= bindparam("prefix"),
        name_words.c.name < bindparam("prefix_end"),
        VISIBLE,
    )
    .limit(MAX_NAMES + 1)
    .subquery()
)
_BY_NUMBER = [
    select(orders.c.id).where(VISIBLE, column == bindparam("text"))
    for column in (orders.c.id, orders.c.tray_number, orders.c.invoice_number)
]


def _count(found: Any) -> Select[int]:
    return select(func.count()).select_from(found)


def _match_any(by_name: Sequence[Any]) -> ColumnElement[bool]:
    found = (select(each.c.id) for each in by_name)
    return orders.c.id.in_(union(*found, *_BY_NUMBER))


_NAME_COUNTS = [_count(by_name) for by_name in _BY_NAME]
_MATCHES = _match_any(_BY_NAME)


class SearchResult(NamedTuple):
    """A page of orders, and whether more names match the text than were examined."""

    page: Page
    too_many: bool = False


def search_orders(
    tx: Connection, account: Account, user_id: int, filters: Mapping[str, Any]
) -> SearchResult:
    """Return orders that a user sees, newest first; raises Invalid for an unknown cursor."""
    text = filters["text"].strip()
    prefix = fold_search(text)
    key = bind_visible(account, user_id)
    backward = "ending_before" in filters
    conditions = [*_build_cursor_conditions(tx, key, filters), *build_person_conditions(filters)]
    if "lab_status" in filters:
        conditions.append(orders.c.lab_status == filters["lab_status"])
    if not text:
        page = _merge_labs(tx, account, user_id, filters, conditions, backward)
        return SearchResult(page)
    values = {
        **key,
        "text": text,
        "prefix": prefix or _LAST_CHARACTER,
        "prefix_end": prefix + _LAST_CHARACTER,
    }
    name_counts, matches = _NAME_COUNTS, _MATCHES
    if (hashed := match_hashed_names(tx, account.id, text)) is not None:
        by_hash = select(orders.c.id).where(VISIBLE, hashed).limit(MAX_NAMES + 1).subquery()
        name_counts = [*_NAME_COUNTS, _count(by_hash)]
        matches = _match_any([*_BY_NAME, by_hash])
    counts = [tx.execute(count, values).scalar_one() for count in name_counts]
    if "lab" in filters:
        conditions.append(orders.c.lab_id == filters["lab"])
    page = _read_page(tx, values, [matches, *conditions], filters["limit"], backward)
    return SearchResult(page, max(counts) > MAX_NAMES)


def _build_cursor_conditions(
    tx: Connection, key: dict[str, Any], filters: Mapping[str, Any]
) -> list[ColumnElement[bool]]:
    """Return the condition for orders older than one cursor, or newer than the other."""
    for name in ("starting_after", "ending_before"):
        if name in filters:
            cursor = tx.execute(_CURSOR, {**key, "where_id": filters[name]}).first()
            if cursor is None:
                raise build_unknown_cursor(name)
            position, at = tuple_(*_POSITION), tuple(cursor)
            if name == "starting_after":
                return [position < at]
            return [position > at, *build_horizon_conditions(tx)]
    return []


def _merge_labs(
    tx: Connection,
    account: Account,
    user_id: int,
    filters: Mapping[str, Any],
    conditions: list[ColumnElement[bool]],
    backward: bool,
) -> Page:
    """Return a page of the orders of the user's labs, or of one, merged from a page of each."""
    limit = filters["limit"]
    pages = [
        select(orders.c.id)
        .where(
            orders.c.account_id == account.id,
            orders.c.lab_id == lab.id,
            orders.c.account_number == lab.account_number,
            *conditions,
        )
        .order_by(*_sort_columns(backward))
        .limit(limit + 1)
        .subquery()
        for lab in list_labs(tx, user_id)
        if filters.get("lab", lab.id) == lab.id
    ]
    if not pages:
        return Page((), False)
    ids = union_all(*(select(page.c.id) for page in pages))
    return _read_page(tx, {}, [orders.c.id.in_(ids)], limit, backward)


def _read_page(
    tx: Connection,
    values: dict[str, Any],
    conditions: list[ColumnElement[bool]],
    limit: int,
    backward: bool,
) -> Page:
    is_sealed = find_keyring(tx) is not None
    listed = (_SEALED_ORDERS if is_sealed else _LISTED_ORDERS).where(*conditions)
    page = listed.order_by(*_sort_columns(backward)).limit(limit + 1)
    rows = tx.execute(page, values).all()
    if is_sealed:
        rows = [_read_names(tx, row) for row in rows]
    return Page(rows[:limit][::-1] if backward else rows[:limit], len(rows) > limit)


def _read_names(tx: Connection, row: Row[Any]) -> Any:
    """Return a listed order with the names of its patient, from its sealed document.

    A damaged one is listed without them: it hides no other.
    """
    try:
        patient = ORDERS.open(tx, row).document["patient"]
    except Unopenable as error:
        log().error("names not read", reason=row.id, **describe(error))
        patient = {"first_name": "", "last_name": ""}
    return SimpleNamespace(**row._mapping, **patient)


def _sort_columns(backward: bool) -> list[Any]:
    return [*_POSITION] if backward else [column.desc() for column in _POSITION]

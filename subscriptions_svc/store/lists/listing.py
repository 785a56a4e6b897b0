"""The list of subscriptions: its filters as SQL, one page at a time.

Days and months are those of each merchant's own time zone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from operator import add, ge, lt
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    and_,
    bindparam,
    func,
    or_,
    select,
    true,
    union_all,
)

from chassis.pages import compute_page_offset
from subscriptions_svc.rules.shapes import parse_day
from subscriptions_svc.rules.statuses import Status
from subscriptions_svc.rules.years import to_local_day, to_start_of_day
from subscriptions_svc.store import personal
from subscriptions_svc.store.lists.words import match_words
from subscriptions_svc.store.subscriptions import IS_OVER, SUBSCRIPTIONS
from subscriptions_svc.store.tables import subscription_totals, subscriptions

# Bounds of all days: beyond them, a day has no instant in some zones.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9000, 1, 1)
DAY = timedelta(days=1)
# A column, a comparison, and the moment to compare with.
Bound = tuple[str, Callable[[Any, datetime], ColumnElement[bool]], datetime]
# Ours: a merchant's reference is its id, and a store's id its reference: each has one name.
MERCHANT_FILTERS = ("merchant_id", "merchant_reference")
STORE_FILTERS = ("store_ref", "store_id")
MAX_INDEX_SCANS = 50  # merchants times statuses, each of which is scanned for a page
_SORT_KEY = (subscriptions.c.created_at, subscriptions.c.id)
_RENEWAL = subscriptions.c.renewal_at
_IS_NOT_OVER = or_(_RENEWAL.is_(None), bindparam("now", type_=_RENEWAL.type) < _RENEWAL)
_ROWS = SUBSCRIPTIONS.where(subscriptions.c.id.in_(bindparam("ids", expanding=True)))


def read_page(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> tuple[Sequence[Any], int]:
    """Return the rows of one page, newest first, and the total.

    The page is found in an index before its rows are read, so that it costs no more in a full
    store. The cost of a search grows with what it finds.
    """
    chosen = [
        each
        for each in merchants
        if all(each.id in filters[name] for name in MERCHANT_FILTERS if name in filters)
    ]
    if not chosen:
        return [], 0
    is_searched = filters.get("search", "").strip()
    ids, total = (_search if is_searched else _list)(tx, chosen, filters, now)
    rows = {row.id: row for row in tx.execute(_ROWS, {"ids": ids})} if ids else {}
    return personal.SUBSCRIPTIONS.open_all(tx, (rows[id_] for id_ in ids)), total


def find_wrong_totals(tx: Connection) -> list[tuple[str, str, int, int]]:
    """Return merchant, store, kept total and real number of subscriptions, where these differ."""
    store = (subscriptions.c.merchant_id, subscriptions.c.store_ref)
    kept = {(row[0], row[1]): row[2] for row in tx.execute(select(subscription_totals))}
    real = {
        (row[0], row[1]): row[2]
        for row in tx.execute(select(*store, func.count()).group_by(*store))
    }
    return [
        (*each, kept.get(each, 0), real.get(each, 0))
        for each in sorted(kept.keys() | real.keys())
        if kept.get(each, 0) != real.get(each, 0)
    ]


def _list(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> tuple[Sequence[str], int]:
    """Find a page in the index of each merchant and status, unless those are too many."""
    statuses = [*_filter_statuses(filters)]
    if len(merchants) * len(statuses) <= MAX_INDEX_SCANS:
        conditions = [
            [
                *_filter(
                    tx,
                    [merchant.id],
                    _find_bounds(filters, now, ZoneInfo(merchant.time_zone)),
                    filters,
                ),
                *status,
            ]
            for merchant in merchants
            for status in statuses
        ]
    else:
        conditions = _join_conditions(tx, merchants, filters, now)
    ids = (
        tx.execute(_select_page(_select_newest(conditions, filters), filters), {"now": now})
        .scalars()
        .all()
    )
    return ids, _read_total(tx, merchants, conditions, filters, now)


def _search(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> tuple[Sequence[str], int]:
    """Find a page of a search in one query, which also counts the total."""
    conditions = _join_conditions(tx, merchants, filters, now)
    found = union_all(*(select(*_SORT_KEY).where(*each) for each in conditions)).subquery()
    counted = _select_page(found, filters).add_columns(func.count().over())
    rows = tx.execute(counted, {"now": now}).all()
    if rows or filters["page"] == 1:
        return [row[0] for row in rows], int(rows[0][1]) if rows else 0
    return [], _count(tx, conditions, now)


def _select_newest(conditions: Sequence[Sequence[Any]], filters: Mapping[str, Any]) -> Subquery:
    """Select the newest of each condition, as many as the page could need."""
    limit = filters["page"] * filters["per_page"]
    newest = [
        select(*_SORT_KEY)
        .where(*each)
        .order_by(subscriptions.c.created_at.desc(), subscriptions.c.id.desc())
        .limit(limit)
        .subquery()
        for each in conditions
    ]
    return union_all(*map(select, newest)).subquery() if len(newest) > 1 else newest[0]


def _select_page(found: Subquery, filters: Mapping[str, Any]) -> Select[Any]:
    offset = compute_page_offset(filters["page"], filters["per_page"])
    ordered = select(found.c.id).order_by(found.c.created_at.desc(), found.c.id.desc())
    return ordered.limit(filters["per_page"]).offset(offset)


def _read_total(
    tx: Connection,
    merchants: Sequence[Row[Any]],
    conditions: Sequence[Sequence[Any]],
    filters: Mapping[str, Any],
    now: datetime,
) -> int:
    """Return the total: for whole stores from the totals kept with each new subscription."""
    if filters.keys() <= {"page", "per_page", "search", *MERCHANT_FILTERS, *STORE_FILTERS}:
        wanted = [subscription_totals.c.merchant_id.in_([each.id for each in merchants])]
        wanted += [
            subscription_totals.c.store_ref.in_(filters[name])
            for name in STORE_FILTERS
            if name in filters
        ]
        kept = select(func.coalesce(func.sum(subscription_totals.c.total), 0)).where(*wanted)
        return int(tx.execute(kept).scalar_one())
    return _count(tx, conditions, now)


def _count(tx: Connection, conditions: Sequence[Sequence[Any]], now: datetime) -> int:
    counted = [
        select(func.count()).select_from(subscriptions).where(*each).scalar_subquery()
        for each in conditions
    ]
    return int(tx.execute(select(reduce(add, counted)), {"now": now}).scalar_one())


def _join_conditions(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> list[list[ColumnElement[bool]]]:
    """Join the conditions of all statuses, and of all merchants whose days have the same bounds."""
    status = or_(*(and_(true(), *each) for each in _filter_statuses(filters)))
    groups: dict[tuple[Bound, ...], list[str]] = {}
    for merchant in merchants:
        bounds = tuple(_find_bounds(filters, now, ZoneInfo(merchant.time_zone)))
        groups.setdefault(bounds, []).append(merchant.id)
    return [[*_filter(tx, ids, bounds, filters), status] for bounds, ids in groups.items()]


def _filter(
    tx: Connection, merchant_ids: Sequence[str], bounds: Iterable[Bound], filters: Mapping[str, Any]
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the filters for merchants, except those of the status."""
    column = subscriptions.c.merchant_id
    yield column.in_(merchant_ids) if len(merchant_ids) > 1 else column == merchant_ids[0]
    for name, is_within, moment in bounds:
        yield is_within(subscriptions.c[name], moment)
    if "payment_status" in filters:
        yield subscriptions.c.payment_status.in_(filters["payment_status"])
    if "person_ref" in filters:
        yield subscriptions.c.person_ref == filters["person_ref"]
    for name in STORE_FILTERS:
        if name in filters:
            yield subscriptions.c.store_ref.in_(filters[name])
    if filters.get("search", "").strip():
        yield from match_words(tx, filters["search"], merchant_ids)


def _filter_statuses(filters: Mapping[str, Any]) -> Iterator[list[ColumnElement[bool]]]:
    """Yield the conditions of the status filter, in disjoint parts."""
    if "status" not in filters:
        yield []
    for status in dict.fromkeys(filters.get("status", ())):
        is_status = subscriptions.c.status == status
        yield [is_status, _IS_NOT_OVER] if status == Status.ACTIVE else [is_status]
        if status == Status.FINISHED:
            yield [subscriptions.c.status == Status.ACTIVE.value, IS_OVER]


def _find_bounds(filters: Mapping[str, Any], now: datetime, tz: ZoneInfo) -> Iterator[Bound]:
    for name in ("created_at", "activated_at"):
        if name in filters:
            first, last = _resolve_period(filters[name], to_local_day(now, tz))
            yield name, ge, _clamp_start(first, tz)
            yield name, lt, _clamp_start(last + DAY, tz)
        if day := parse_day(filters.get(f"{name}_from", "")):
            yield name, ge, _clamp_start(day, tz)
        if day := parse_day(filters.get(f"{name}_to", "")):
            yield name, lt, _clamp_start(min(day, LAST_DAY) + DAY, tz)


def _resolve_period(period: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a period."""
    if period == "current_year":
        return date(today.year, 1, 1), date(today.year, 12, 31)
    if period == "current_month":
        first = today.replace(day=1)
        return first, first + relativedelta(months=1) - DAY
    day = parse_day(period) or today
    return (day, day) if day < LAST_DAY else (LAST_DAY, LAST_DAY)


def _clamp_start(day: date, tz: ZoneInfo) -> datetime:
    return to_start_of_day(max(day, FIRST_DAY), tz)

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

from subscriptions_svc.rules.shapes import parsed_day
from subscriptions_svc.rules.subscriptions import Status
from subscriptions_svc.rules.years import local_day, start_of_day
from subscriptions_svc.store.tables import (
    IS_OVER,
    SUBSCRIPTIONS,
    subscription_totals,
    subscriptions,
)
from subscriptions_svc.store.words import found_by

# Nothing happened before or will after; further days have no instant in every zone.
FIRST, LAST = date(1900, 1, 1), date(9000, 1, 1)
DAY = timedelta(days=1)
# A column, and how it compares with a moment.
Bound = tuple[str, Callable[[Any, datetime], ColumnElement[bool]], datetime]
FEW = 50  # merchants times statuses, of which each gives a page of its own
_PLACE = (subscriptions.c.created_at, subscriptions.c.id)
_RENEWAL = subscriptions.c.renewal_at
_GOES_ON = or_(_RENEWAL.is_(None), bindparam("now") < _RENEWAL)
_ROWS = SUBSCRIPTIONS.where(subscriptions.c.id.in_(bindparam("ids", expanding=True)))


def page(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> tuple[Sequence[Any], int]:
    """The rows of one page, newest first, and how many there are in all.

    The page is found in an index and read after that: it costs no more in a full store. A search
    costs what it finds.
    """
    wanted = [each for each in merchants if each.id in filters.get("merchant_id", (each.id,))]
    if not wanted:
        return [], 0
    is_searched = filters.get("search", "").strip()
    ids, total = (_found if is_searched else _listed)(tx, wanted, filters, now)
    rows = {row.id: row for row in tx.execute(_ROWS, {"ids": ids})} if ids else {}
    return [rows[id_] for id_ in ids], total


def miscounted(tx: Connection) -> list[tuple[str, str, int, int]]:
    """Merchant, store, its total, and how many subscriptions it has, where the two differ."""
    of = (subscriptions.c.merchant_id, subscriptions.c.store_ref)
    kept = {(row[0], row[1]): row[2] for row in tx.execute(select(subscription_totals))}
    real = {(row[0], row[1]): row[2] for row in tx.execute(select(*of, func.count()).group_by(*of))}
    return [
        (*each, kept.get(each, 0), real.get(each, 0))
        for each in sorted(kept.keys() | real.keys())
        if kept.get(each, 0) != real.get(each, 0)
    ]


def _listed(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> tuple[Sequence[str], int]:
    """A page from the index of each merchant and status, unless those are many."""
    statuses = [*_statuses(filters)]
    if len(merchants) * len(statuses) <= FEW:
        conditions = [
            [
                *_of([merchant.id], _bounds(filters, now, ZoneInfo(merchant.time_zone)), filters),
                *status,
            ]
            for merchant in merchants
            for status in statuses
        ]
    else:
        conditions = _together(merchants, filters, now)
    ids = tx.execute(_paged(_newest(conditions, filters), filters), {"now": now}).scalars().all()
    return ids, _total(tx, merchants, conditions, filters, now)


def _found(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> tuple[Sequence[str], int]:
    """A page of what is searched, which is looked for once: it is counted on the way."""
    conditions = _together(merchants, filters, now)
    found = union_all(*(select(*_PLACE).where(*each) for each in conditions)).subquery()
    counted = _paged(found, filters).add_columns(func.count().over())
    rows = tx.execute(counted, {"now": now}).all()
    if rows or filters["page"] == 1:
        return [row[0] for row in rows], int(rows[0][1]) if rows else 0
    return [], _count(tx, conditions, now)


def _newest(conditions: Sequence[Sequence[Any]], filters: Mapping[str, Any]) -> Subquery:
    """As many of the newest of each as a page could have."""
    most = filters["page"] * filters["per_page"]
    newest = [
        select(*_PLACE)
        .where(*each)
        .order_by(subscriptions.c.created_at.desc(), subscriptions.c.id.desc())
        .limit(most)
        .subquery()
        for each in conditions
    ]
    return union_all(*map(select, newest)).subquery() if len(newest) > 1 else newest[0]


def _paged(found: Subquery, filters: Mapping[str, Any]) -> Select[Any]:
    skipped = (filters["page"] - 1) * filters["per_page"]
    ordered = select(found.c.id).order_by(found.c.created_at.desc(), found.c.id.desc())
    return ordered.limit(filters["per_page"]).offset(skipped)


def _total(
    tx: Connection,
    merchants: Sequence[Row[Any]],
    conditions: Sequence[Sequence[Any]],
    filters: Mapping[str, Any],
    now: datetime,
) -> int:
    """How many there are: of whole stores from their totals, which are kept as they come."""
    if filters.keys() <= {"page", "per_page", "merchant_id", "store_ref", "search"}:
        of = [subscription_totals.c.merchant_id.in_([each.id for each in merchants])]
        if "store_ref" in filters:
            of.append(subscription_totals.c.store_ref.in_(filters["store_ref"]))
        kept = select(func.coalesce(func.sum(subscription_totals.c.total), 0)).where(*of)
        return int(tx.execute(kept).scalar_one())
    return _count(tx, conditions, now)


def _count(tx: Connection, conditions: Sequence[Sequence[Any]], now: datetime) -> int:
    counted = [
        select(func.count()).select_from(subscriptions).where(*each).scalar_subquery()
        for each in conditions
    ]
    return int(tx.execute(select(reduce(add, counted)), {"now": now}).scalar_one())


def _together(
    merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> list[list[ColumnElement[bool]]]:
    """Conditions for all statuses, and for all merchants whose days begin and end together."""
    status = or_(*(and_(true(), *each) for each in _statuses(filters)))
    groups: dict[tuple[Bound, ...], list[str]] = {}
    for merchant in merchants:
        bounds = tuple(_bounds(filters, now, ZoneInfo(merchant.time_zone)))
        groups.setdefault(bounds, []).append(merchant.id)
    return [[*_of(ids, bounds, filters), status] for bounds, ids in groups.items()]


def _of(
    merchant_ids: Sequence[str], bounds: Iterable[Bound], filters: Mapping[str, Any]
) -> Iterator[ColumnElement[bool]]:
    """What is wanted of merchants, but for the status."""
    column = subscriptions.c.merchant_id
    yield column.in_(merchant_ids) if len(merchant_ids) > 1 else column == merchant_ids[0]
    for name, is_within, moment in bounds:
        yield is_within(subscriptions.c[name], moment)
    for name in ("payment_status", "store_ref"):
        if name in filters:
            yield subscriptions.c[name].in_(filters[name])
    if filters.get("search", "").strip():
        yield from found_by(filters["search"], merchant_ids)


def _statuses(filters: Mapping[str, Any]) -> Iterator[list[ColumnElement[bool]]]:
    """What is wanted of the status, in parts that have nothing in common."""
    if "status" not in filters:
        yield []
    for status in dict.fromkeys(filters.get("status", ())):
        written = subscriptions.c.status == status
        yield [written, _GOES_ON] if status == Status.ACTIVE else [written]
        if status == Status.FINISHED:
            yield [subscriptions.c.status == Status.ACTIVE.value, IS_OVER]


def _bounds(filters: Mapping[str, Any], now: datetime, tz: ZoneInfo) -> Iterator[Bound]:
    for name in ("created_at", "activated_at"):
        if name in filters:
            first, last = _days(filters[name], local_day(now, tz))
            yield name, ge, _start(first, tz)
            yield name, lt, _start(last + DAY, tz)
        if day := parsed_day(filters.get(f"{name}_from", "")):
            yield name, ge, _start(day, tz)
        if day := parsed_day(filters.get(f"{name}_to", "")):
            yield name, lt, _start(min(day, LAST) + DAY, tz)


def _days(period: str, today: date) -> tuple[date, date]:
    """The first and the last day of a period."""
    if period == "current_year":
        return date(today.year, 1, 1), date(today.year, 12, 31)
    if period == "current_month":
        first = today.replace(day=1)
        return first, first + relativedelta(months=1) - DAY
    day = parsed_day(period) or today
    return (day, day) if day < LAST else (LAST, LAST)


def _start(day: date, tz: ZoneInfo) -> datetime:
    return start_of_day(max(day, FIRST), tz)

"""The list of subscriptions: its filters as SQL, one page at a time.

Days and months are those of each merchant's own time zone.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from operator import add
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    or_,
    select,
    union_all,
)

from subscriptions_svc.rules import Status
from subscriptions_svc.rules_shapes import parsed_day
from subscriptions_svc.solicitations import folded
from subscriptions_svc.store import IS_OVER, SUBSCRIPTIONS, subscription_totals, subscriptions
from subscriptions_svc.years import local_day, start_of_day

# Nothing happened before or will after; further days have no instant in every zone.
FIRST, LAST = date(1900, 1, 1), date(9000, 1, 1)
DAY = timedelta(days=1)
_NEWEST_FIRST = (subscriptions.c.created_at.desc(), subscriptions.c.id.desc())
_RENEWAL = subscriptions.c.renewal_at
_GOES_ON = or_(_RENEWAL.is_(None), bindparam("now") < _RENEWAL)
_ROWS = SUBSCRIPTIONS.where(subscriptions.c.id.in_(bindparam("ids", expanding=True)))


def page(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> tuple[Sequence[Any], int]:
    """The rows of one page, newest first, and how many there are in all.

    The page is found in an index, of each merchant and status by itself where there are several,
    and read after that: neither costs more in a full store.
    """
    wanted = [each for each in merchants if each.id in filters.get("merchant_id", (each.id,))]
    if not wanted:
        return [], 0
    conditions = [
        [*_of_merchant(each, filters, now), *status, *_others(filters)]
        for each in wanted
        for status in _statuses(filters)
    ]
    skipped = (filters["page"] - 1) * filters["per_page"]
    ids = tx.execute(_ids(conditions, skipped, filters["per_page"]), {"now": now}).scalars().all()
    found = {row.id: row for row in tx.execute(_ROWS, {"ids": ids})} if ids else {}
    return [found[id_] for id_ in ids], _total(tx, wanted, conditions, filters, now)


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


def _ids(conditions: Sequence[Sequence[Any]], skipped: int, most: int) -> Select[Any]:
    columns = (subscriptions.c.id, subscriptions.c.created_at)
    each = [select(*columns).where(*of).order_by(*_NEWEST_FIRST) for of in conditions]
    if len(each) == 1:
        return each[0].limit(most).offset(skipped)
    newest = union_all(*(select(one.limit(skipped + most).subquery()) for one in each)).subquery()
    ordered = select(newest.c.id).order_by(newest.c.created_at.desc(), newest.c.id.desc())
    return ordered.limit(most).offset(skipped)


def _total(
    tx: Connection,
    merchants: Sequence[Row[Any]],
    conditions: Sequence[Sequence[Any]],
    filters: Mapping[str, Any],
    now: datetime,
) -> int:
    """How many there are: of whole stores from their totals, which are kept as they come."""
    if filters.keys() <= {"page", "per_page", "merchant_id", "store_ref"}:
        of = [subscription_totals.c.merchant_id.in_([each.id for each in merchants])]
        if "store_ref" in filters:
            of.append(subscription_totals.c.store_ref.in_(filters["store_ref"]))
        kept = select(func.coalesce(func.sum(subscription_totals.c.total), 0)).where(*of)
        return int(tx.execute(kept).scalar_one())
    counted = [
        select(func.count()).select_from(subscriptions).where(*each).scalar_subquery()
        for each in conditions
    ]
    return int(tx.execute(select(reduce(add, counted)), {"now": now}).scalar_one())


def _of_merchant(
    merchant: Row[Any], filters: Mapping[str, Any], now: datetime
) -> Iterator[ColumnElement[bool]]:
    yield subscriptions.c.merchant_id == merchant.id
    yield from _periods(filters, now, ZoneInfo(merchant.time_zone))


def _statuses(filters: Mapping[str, Any]) -> Iterator[list[ColumnElement[bool]]]:
    """What is wanted of the status, in parts that have nothing in common."""
    if "status" not in filters:
        yield []
    for status in dict.fromkeys(filters.get("status", ())):
        written = subscriptions.c.status == status
        yield [written, _GOES_ON] if status == Status.ACTIVE else [written]
        if status == Status.FINISHED:
            yield [subscriptions.c.status == Status.ACTIVE.value, IS_OVER]


def _others(filters: Mapping[str, Any]) -> Iterator[ColumnElement[bool]]:
    for name in ("payment_status", "store_ref"):
        if name in filters:
            yield subscriptions.c[name].in_(filters[name])
    if "search" in filters:
        yield subscriptions.c.search_text.contains(folded(filters["search"]), autoescape=True)


def _periods(
    filters: Mapping[str, Any], now: datetime, tz: ZoneInfo
) -> Iterator[ColumnElement[bool]]:
    for name in ("created_at", "activated_at"):
        column = subscriptions.c[name]
        if name in filters:
            first, last = _days(filters[name], local_day(now, tz))
            yield column >= _start(first, tz)
            yield column < _start(last + DAY, tz)
        if day := parsed_day(filters.get(f"{name}_from", "")):
            yield column >= _start(day, tz)
        if day := parsed_day(filters.get(f"{name}_to", "")):
            yield column < _start(min(day, LAST) + DAY, tz)


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

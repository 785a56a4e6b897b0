"""The list of subscriptions: its filters as SQL, one page at a time.

Days and months are those of each merchant's own time zone.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from sqlalchemy import ColumnElement, Connection, Row, and_, false, func, or_, select

from subscriptions_svc.rules_shapes import parsed_day
from subscriptions_svc.solicitations import folded
from subscriptions_svc.store import STATUS, SUBSCRIPTIONS, subscriptions
from subscriptions_svc.years import local_day, start_of_day

# Nothing happened before or will after; further days have no instant in every zone.
FIRST, LAST = date(1900, 1, 1), date(9000, 1, 1)
DAY = timedelta(days=1)
_NEWEST_FIRST = (subscriptions.c.created_at.desc(), subscriptions.c.id.desc())


def page(
    tx: Connection, merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> tuple[Sequence[Any], int]:
    """The rows of one page, newest first, and how many there are in all."""
    wanted = and_(*_conditions(merchants, filters, now))
    count = select(func.count()).select_from(subscriptions).where(wanted)
    total: int = tx.execute(count, {"now": now}).scalar_one()
    skipped = (filters["page"] - 1) * filters["per_page"]
    listed = SUBSCRIPTIONS.where(wanted).order_by(*_NEWEST_FIRST)
    rows = tx.execute(listed.limit(filters["per_page"]).offset(skipped), {"now": now})
    return rows.all(), total


def _conditions(
    merchants: Sequence[Row[Any]], filters: Mapping[str, Any], now: datetime
) -> Iterator[ColumnElement[bool]]:
    zones: dict[str, list[str]] = defaultdict(list)
    for merchant in merchants:
        if merchant.id in filters.get("merchant_id", (merchant.id,)):
            zones[merchant.time_zone].append(merchant.id)
    yield or_(
        false(),
        *(
            and_(subscriptions.c.merchant_id.in_(ids), *_periods(filters, now, ZoneInfo(zone)))
            for zone, ids in zones.items()
        ),
    )
    if "status" in filters:
        yield STATUS.in_(filters["status"])
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

"""Subscription years, months and delivery days, from the activation in the merchant's time zone.

A year begins where its anniversary's day begins, local time: 23:30 UTC may already be tomorrow in
Madrid. Every day is computed from the activation itself, never from the anniversary before it: so
29 February comes back every fourth year, and 31 January does not decay to the 28th.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

MONTHS_A_YEAR = 12


class Boxes(NamedTuple):
    """A contact lens's cap, its count in the current subscription year, and its newest delivery."""

    box_count: int
    delivered_boxes: int
    last_delivery: date | None


def local_day(instant: datetime, tz: ZoneInfo) -> date:
    """The day of an instant in a zone; a naive datetime, taken as the machine's, is refused."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(tz).date()


def start_of_day(day: date, tz: ZoneInfo) -> datetime:
    """The instant, in UTC, at which a day begins in a zone, even if clocks skip its midnight."""
    return datetime.combine(day, time.min, tz).astimezone(UTC)


@lru_cache(maxsize=4096)  # relativedelta takes 5 us, and a document asks for several days
def _later(day: date, months: int) -> date:
    return day + relativedelta(months=months)


def months_later(activated_at: datetime, months: int, tz: ZoneInfo) -> date:
    """The day so many months after the activation's; where the month lacks it, its last day."""
    return _later(local_day(activated_at, tz), months)


def anniversary(activated_at: datetime, years: int, tz: ZoneInfo) -> date:
    """The day so many years after the activation's; 28 February for 29 in common years."""
    return months_later(activated_at, MONTHS_A_YEAR * years, tz)


def months_passed(activated_at: datetime, now: datetime, tz: ZoneInfo) -> int:
    """Whole months since the activation; 0 before it."""
    anchor, today = local_day(activated_at, tz), local_day(now, tz)
    months = MONTHS_A_YEAR * (today.year - anchor.year) + today.month - anchor.month + 1
    while months > 0 and now < start_of_day(months_later(activated_at, months, tz), tz):
        months -= 1
    return max(months, 0)


def year_of(activated_at: datetime | None, now: datetime, tz: ZoneInfo) -> int:
    """The subscription year that `now` belongs to, from 1; before the activation it is year 1."""
    if activated_at is None:
        return 1
    return months_passed(activated_at, now, tz) // MONTHS_A_YEAR + 1


def current_month(
    activated_at: datetime | None, now: datetime, tz: ZoneInfo, total_months: int
) -> int:
    """0 before the activation, then from 1, never above `total_months`."""
    if activated_at is None:
        return 0
    return min(months_passed(activated_at, now, tz) + 1, total_months)


def renewal_at(activated_at: datetime | None, total_months: int, tz: ZoneInfo) -> datetime | None:
    """The instant, in UTC, at which the months are over: where a local day begins."""
    if activated_at is None:
        return None
    return start_of_day(months_later(activated_at, total_months, tz), tz)


def _due(boxes: Boxes, began: date) -> date:
    if boxes.last_delivery is None:
        return began
    interval = max(1, MONTHS_A_YEAR // boxes.box_count)
    return max(began, _later(boxes.last_delivery, interval))


def next_delivery_date(
    lenses: Sequence[Boxes],
    activated_at: datetime | None,
    now: datetime,
    tz: ZoneInfo,
    total_months: int,
    *,
    ended: bool = False,
) -> date | None:
    """The day on which the next boxes fall due; a past day when they are overdue.

    An item's boxes are spread over its year in whole months, at least one: the next is due
    12 // box_count months after the last delivery, but not before the current year began. An item
    that was passed over is due since then (before the activation: since the first of the others'
    last deliveries). The soonest item with boxes left decides; if none has any, the anniversary.
    None before the first delivery, once ended, and for a day when the months are over.
    """
    deliveries = [boxes.last_delivery for boxes in lenses if boxes.last_delivery is not None]
    if ended or not deliveries:
        return None
    left = [boxes for boxes in lenses if boxes.delivered_boxes < boxes.box_count]
    if activated_at is None:
        return min((_due(boxes, min(deliveries)) for boxes in left), default=None)
    year = year_of(activated_at, now, tz)
    began = anniversary(activated_at, year - 1, tz)
    following = anniversary(activated_at, year, tz)
    day = min((_due(boxes, began) for boxes in left), default=following)
    return day if day < months_later(activated_at, total_months, tz) else None

"""Subscription years, months and delivery days, from the activation in the merchant's time zone.

A year begins at the start of its anniversary's day, local time: 23:30 UTC may already be tomorrow
in Madrid. Every day is computed from the activation, never from the previous anniversary, so that
29 February comes back every fourth year and 31 January does not decay to the 28th.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

MONTHS_PER_YEAR = 12


class Boxes(NamedTuple):
    """Boxes of a contact lens: its cap, the current year's count, and the newest delivery."""

    box_count: int
    delivered_boxes: int
    last_delivery: date | None


def to_local_day(instant: datetime, tz: ZoneInfo) -> date:
    """Return the day of an instant in a zone; raises ValueError for a naive datetime."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(tz).date()


def to_start_of_day(day: date, tz: ZoneInfo) -> datetime:
    """Return the UTC instant at which a day begins in a zone, even if clocks skip its midnight."""
    return datetime.combine(day, time.min, tz).astimezone(UTC)


@lru_cache(maxsize=4096)  # relativedelta takes 5 us, and a document needs several days
def _add_months(day: date, months: int) -> date:
    return day + relativedelta(months=months)


def add_months(activated_at: datetime, months: int, tz: ZoneInfo) -> date:
    """Return the day this many months after the activation's; it may be a month's last day."""
    return _add_months(to_local_day(activated_at, tz), months)


def compute_anniversary(activated_at: datetime, years: int, tz: ZoneInfo) -> date:
    """Return the day this many years after the activation's; 29 February becomes 28."""
    return add_months(activated_at, MONTHS_PER_YEAR * years, tz)


@lru_cache(maxsize=64)  # a document asks some seven times at one moment, at 5 us each
def count_months(activated_at: datetime, now: datetime, tz: ZoneInfo) -> int:
    """Return the whole months since the activation; 0 before it."""
    anchor, today = to_local_day(activated_at, tz), to_local_day(now, tz)
    months = MONTHS_PER_YEAR * (today.year - anchor.year) + today.month - anchor.month + 1
    while months > 0 and now < to_start_of_day(add_months(activated_at, months, tz), tz):
        months -= 1
    return max(months, 0)


def compute_year(activated_at: datetime | None, now: datetime, tz: ZoneInfo) -> int:
    """Return the subscription year of `now`, counted from 1; it is 1 before the activation."""
    if activated_at is None:
        return 1
    return count_months(activated_at, now, tz) // MONTHS_PER_YEAR + 1


def compute_month(
    activated_at: datetime | None, now: datetime, tz: ZoneInfo, total_months: int
) -> int:
    """Return the month of `now`: 0 before the activation, then from 1 up to `total_months`."""
    if activated_at is None:
        return 0
    return min(count_months(activated_at, now, tz) + 1, total_months)


def compute_renewal(
    activated_at: datetime | None, total_months: int, tz: ZoneInfo
) -> datetime | None:
    """Return the UTC instant at which the months are over: the start of a local day."""
    if activated_at is None:
        return None
    return to_start_of_day(add_months(activated_at, total_months, tz), tz)


def _compute_due_day(boxes: Boxes, began: date) -> date:
    if boxes.last_delivery is None:
        return began
    interval = max(1, MONTHS_PER_YEAR // boxes.box_count)
    return max(began, _add_months(boxes.last_delivery, interval))


def compute_next_delivery_date(
    lenses: Sequence[Boxes],
    activated_at: datetime | None,
    now: datetime,
    tz: ZoneInfo,
    total_months: int,
    *,
    ended: bool = False,
) -> date | None:
    """Return the day on which the next boxes fall due; it lies in the past when they are overdue.

    An item's boxes are spread over its year in whole months, at least one: the next is due
    12 // box_count months after the last delivery, but not before the current year began. An item
    without deliveries is due from the start of the year (before the activation: from the earliest
    of the others' last deliveries). The earliest item with boxes left decides; if none has any
    left, the anniversary does. Returns None before the first delivery, after the end, and when the
    day lies after the last month.
    """
    deliveries = [boxes.last_delivery for boxes in lenses if boxes.last_delivery is not None]
    if ended or not deliveries:
        return None
    left = [boxes for boxes in lenses if boxes.delivered_boxes < boxes.box_count]
    if activated_at is None:
        return min((_compute_due_day(boxes, min(deliveries)) for boxes in left), default=None)
    year = compute_year(activated_at, now, tz)
    began = compute_anniversary(activated_at, year - 1, tz)
    following = compute_anniversary(activated_at, year, tz)
    day = min((_compute_due_day(boxes, began) for boxes in left), default=following)
    return day if day < add_months(activated_at, total_months, tz) else None

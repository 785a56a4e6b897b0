"""Business hours of a place: nine to five on weekdays that are no public holiday there.

The hours are those of 16 CFR 315.2 (Monday to Friday, 9 a.m. to 5 p.m. of the place, public
holidays excluded); calendars of countries and their subdivisions are those of `holidays`, which is
loaded by the first question.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from holidays import HolidayBase

OPENING, CLOSING = time(9), time(17)
SATURDAY = 5  # of `date.weekday`
CALENDAR = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
MAX_DAYS = 400  # to look for business days; no calendar closes for a year


def add_business_hours(
    start: datetime, hours: float, time_zone: str, calendar: str | None
) -> datetime:
    """Return the moment at which so many business hours have passed since `start`, in UTC.

    Without a calendar no day is a holiday. Raises ValueError for a time zone or calendar that
    `is_time_zone` or `is_calendar` refuses.
    """
    zone = _find_zone(time_zone)
    closed_days = {} if calendar is None else _find_calendar(calendar)
    left, first = timedelta(hours=hours), start.astimezone(zone).date()
    for day in (first + timedelta(days=each) for each in range(MAX_DAYS)):
        if day.weekday() >= SATURDAY or day in closed_days:
            continue
        begin = max(start, _to_utc(day, OPENING, zone))
        passed = _to_utc(day, CLOSING, zone) - begin
        if passed >= left:
            return (begin + left).astimezone(UTC)
        left -= max(passed, timedelta(0))
    raise ValueError("The calendar has no business day.")


def is_time_zone(name: str) -> bool:
    """Return whether the time zone database has this name, such as America/Chicago."""
    return _answers(_find_zone, name)


def is_calendar(code: str) -> bool:
    """Return whether there is a calendar of this country (US) or subdivision (CA-ON)."""
    return _answers(_find_calendar, code)


def _answers(find: Callable[[str], object], name: str) -> bool:
    try:
        find(name)
    except ValueError:
        return False
    return True


def _to_utc(day: date, moment: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, moment, zone).astimezone(UTC)


def _find_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError) as error:
        raise ValueError("Unknown time zone.") from error


@lru_cache(maxsize=64)
def _find_calendar(code: str) -> "HolidayBase":
    from holidays import country_holidays

    if not CALENDAR.fullmatch(code):
        raise ValueError("Unknown calendar.")
    country, _, subdivision = code.partition("-")
    try:
        return country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError as error:
        raise ValueError("Unknown calendar.") from error

"""Verification of a prescription: its states, its reasons, and the clock of its deadline.

After 16 CFR 315: a prescription counts as verified when the prescriber confirms it, or has not
answered by the end of 8 business hours after they were asked. A later denial still counts for the
boxes to come, so that the state is looked at before every box.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

# Hours of the prescriber's working days in which they may answer.
VERIFICATION_HOURS = timedelta(hours=8)
OPENING, CLOSING = time(9), time(17)  # of a working day, in the prescriber's time zone
SATURDAY = 5
MAX_DAYS = 60  # until so many days of a calendar have passed: none has more holidays in a row


class State(StrEnum):
    """State of a verification."""

    UNVERIFIED = "unverified"
    REQUESTED = "requested"
    VERIFIED = "verified"
    DENIED = "denied"
    REJECTED = "rejected"


CONFIRMED, PASSIVE = "confirmed", "passive"
# What staff may record, and the state that it leads to.
OUTCOMES = {
    CONFIRMED: State.VERIFIED,
    "expired": State.DENIED,
    "wrong": State.DENIED,
    "unknown_patient": State.DENIED,
    "unusable": State.REJECTED,
}


class Verification(NamedTuple):
    """What is known of a prescription's validity, as it is stored or as it stands at a moment."""

    state: State = State.UNVERIFIED
    reason: str | None = None
    requested_at: datetime | None = None
    verify_by: datetime | None = None
    decided_at: datetime | None = None

    def at(self, now: datetime, *, is_passive: bool) -> "Verification":
        """Return it as it stands at `now`; `is_passive` is whether silence verifies."""
        if not is_passive or self.state is not State.REQUESTED:
            return self
        if self.verify_by is None or now < self.verify_by:
            return self
        return self._replace(state=State.VERIFIED, reason=PASSIVE, decided_at=self.verify_by)


def add_business_hours(
    start: datetime, tz: ZoneInfo, is_holiday: Callable[[date], bool]
) -> datetime:
    """Return the UTC instant at which so many business hours after `start` are over.

    Business hours are from 9 to 17, Monday to Friday, but for public holidays.
    """
    left, day = VERIFICATION_HOURS, start.astimezone(tz).date()
    for _ in range(MAX_DAYS):
        if day.weekday() < SATURDAY and not is_holiday(day):
            opens, closes = (
                datetime.combine(day, each, tz).astimezone(UTC) for each in (OPENING, CLOSING)
            )
            begins = max(opens, start)
            if begins < closes:
                if left <= closes - begins:
                    return begins + left
                left -= closes - begins
        day += timedelta(days=1)
    raise ValueError("a calendar without working days")


def find_calendar(country: str) -> Callable[[date], bool]:
    """Return whether a day is a public holiday all over a country; nowhere known, none is."""
    import holidays

    if country not in holidays.list_supported_countries():
        return lambda day: False
    calendar = holidays.country_holidays(country)
    return lambda day: day in calendar


def compute_deadline(asked_at: datetime, country: str, time_zone: str) -> datetime:
    """Return until when a prescriber may answer."""
    return add_business_hours(asked_at, ZoneInfo(time_zone), find_calendar(country))

"""Business hours: when they have passed, in the place's time zone and calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.calendars.business_hours import add_business_hours, is_calendar, is_time_zone

CHICAGO, TORONTO, MADRID = "America/Chicago", "America/Toronto", "Europe/Madrid"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "zone", "calendar", "end"),
    [
        # Monday 10:00 in Chicago: seven hours that day, one on Tuesday.
        ("2026-06-15T15:00", CHICAGO, "US", "2026-06-16T15:00"),
        # Before the opening, the whole day counts; its end is the closing itself.
        ("2026-06-15T06:00", CHICAGO, "US", "2026-06-15T22:00"),
        # After the closing, the next day counts.
        ("2026-06-15T22:00", CHICAGO, "US", "2026-06-16T22:00"),
        # Friday evening: Monday.
        ("2026-06-12T23:00", CHICAGO, "US", "2026-06-15T22:00"),
        # Friday 19 June 2026 is Juneteenth in the US; Canada works.
        ("2026-06-19T15:00", CHICAGO, "US", "2026-06-22T22:00"),
        ("2026-06-19T15:00", TORONTO, "CA-ON", "2026-06-22T15:00"),
        # 4 July 2026 is a Saturday: Friday is the day off.
        ("2026-07-02T22:30", CHICAGO, "US", "2026-07-06T22:00"),
        # The clocks change in the night of Sunday 1 November: 9 is 14 UTC, then 15.
        ("2026-10-30T18:00", CHICAGO, "US", "2026-11-02T19:00"),
        ("2026-03-27T09:00", MADRID, "ES", "2026-03-30T08:00"),
        # Another day where the prescriber is.
        ("2026-06-15T02:00", "Asia/Tokyo", "JP", "2026-06-16T02:00"),
        # Leap day, which is a Tuesday in 2028.
        ("2028-02-28T20:00", CHICAGO, "US", "2028-02-29T20:00"),
    ],
)
def test_eight_hours_end(start: str, zone: str, calendar: str, end: str) -> None:
    assert add_business_hours(at(start), 8, zone, calendar) == at(end)


def test_hours_end_no_earlier_for_a_later_start() -> None:
    first = at("2026-12-23T00:00")
    ends = [
        add_business_hours(first + timedelta(minutes=20 * n), 8, CHICAGO, "US") for n in range(800)
    ]
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    "name", ["", "Mars/Base", "../etc/passwd", "/etc/passwd", "a\0b", "é" * 999]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    assert not is_time_zone(name)
    with pytest.raises(ValueError, match="time zone"):
        add_business_hours(at("2026-06-15T00:00"), 8, name, "US")


@pytest.mark.parametrize("code", ["", "ZZ", "US-XX", "us", "HolidayBase", "é", "US-", "-", "U\0"])
def test_what_is_no_calendar_is_refused(code: str) -> None:
    assert not is_calendar(code)


def test_known_names() -> None:
    assert is_time_zone(CHICAGO)
    assert all(map(is_calendar, ("US", "US-IL", "CA-ON", "ES", "ES-MD", "DE-BY")))

"""Until when a prescriber may answer."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from subscriptions_svc.actions.lenses.request_verification import compute_deadline


def at(text: str, zone: str = "America/New_York") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ("2026-03-02T09:00", "2026-03-02T17:00"),  # a Monday
        ("2026-03-02T08:59", "2026-03-02T17:00"),
        ("2026-03-02T15:00", "2026-03-03T15:00"),
        ("2026-03-02T17:00", "2026-03-03T17:00"),
        ("2026-03-06T16:30", "2026-03-09T16:30"),  # over a weekend, and the clocks change in it
        ("2026-03-07T12:00", "2026-03-09T17:00"),  # a Saturday
        ("2026-07-02T16:00", "2026-07-06T16:00"),  # 3 July: Independence Day, observed
        ("2026-11-25T12:00", "2026-11-27T12:00"),  # Thanksgiving
        ("2026-12-24T10:00", "2026-12-28T10:00"),
    ],
)
def test_the_deadline_is_8_business_hours_later(asked: str, until: str) -> None:
    assert compute_deadline(at(asked), "US", "America/New_York") == at(until)


def test_the_calendar_is_the_prescribers() -> None:
    friday = at("2026-07-03T10:00", "Europe/London")
    assert compute_deadline(friday, "GB", "Europe/London") == at(
        "2026-07-06T10:00", "Europe/London"
    )
    # A country without a known calendar has weekends.
    assert compute_deadline(friday, "ZZ", "Europe/London") == at(
        "2026-07-06T10:00", "Europe/London"
    )


def test_seconds_and_clock_changes_are_kept() -> None:
    asked = at("2026-03-06T16:59:59.5")
    until = compute_deadline(asked, "US", "America/New_York")
    assert until == at("2026-03-09T16:59:59.5")
    assert until - asked == timedelta(days=3, hours=-1)

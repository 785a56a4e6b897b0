"""Early withdrawals, and days of withdrawal in the merchant's time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from subscriptions_svc.rules.settling.withdrawals import Progress, is_free, is_refundable

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY, TICK = timedelta(hours=24), timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("confirmed", "delivered", "days", "passed", "free"),
    [
        (False, False, 0, 1000 * DAY, True),
        (True, False, 0, timedelta(0), True),
        (True, False, 0, DAY - TICK, True),
        (True, False, 0, DAY, False),
        (True, True, 0, TICK, False),
        (True, True, 0, DAY, False),
        (True, False, 14, 1000 * DAY, True),
        (True, True, 14, TICK, False),
    ],
)
def test_it_is_free_while_both_hold(
    confirmed: bool, delivered: bool, days: int, passed: timedelta, free: bool
) -> None:
    progress = Progress(START if confirmed else None, START if delivered else None, days)
    assert is_free(progress, START + passed) is free


@pytest.mark.parametrize(
    ("zone", "delivered", "days", "end"),
    [
        ("UTC", "2026-03-01T12:00", 14, "2026-03-16T00:00"),
        ("Europe/Madrid", "2026-03-01T23:30", 14, "2026-03-16T23:00"),  # already the 2nd there
        ("Europe/Madrid", "2026-03-20T12:00", 14, "2026-04-03T22:00"),  # across the change of time
        ("Pacific/Honolulu", "2026-03-01T05:00", 14, "2026-03-15T10:00"),
        ("UTC", "2028-02-20T00:00", 9, "2028-03-01T00:00"),  # a leap year
        ("UTC", "2026-03-01T12:00", 1, "2026-03-03T00:00"),
    ],
)
def test_the_day_of_the_delivery_is_not_counted(
    zone: str, delivered: str, days: int, end: str
) -> None:
    first = datetime.fromisoformat(delivered).replace(tzinfo=UTC)
    over = datetime.fromisoformat(end).replace(tzinfo=UTC)
    progress, tz = Progress(START, first, days), ZoneInfo(zone)
    assert is_refundable(progress, first, tz)
    assert is_refundable(progress, over - TICK, tz)
    assert not is_refundable(progress, over, tz)


def test_without_days_or_without_a_delivery_nothing_is_refunded() -> None:
    assert not is_refundable(Progress(START, START, 0), START, ZoneInfo("UTC"))
    assert not is_refundable(Progress(START, None, 14), START, ZoneInfo("UTC"))

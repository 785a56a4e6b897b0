"""Subscription years, months and delivery days."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions_svc.rules.years import (
    Boxes,
    compute_anniversary,
    compute_month,
    compute_next_delivery_date,
    compute_renewal,
    compute_year,
    to_local_day,
    to_start_of_day,
)

MADRID = ZoneInfo("Europe/Madrid")
# Far east and west, half hours, and zones whose clocks skip or repeat midnight.
ZONES = [
    "UTC",
    "Europe/Madrid",
    "Atlantic/Canary",
    "America/Mexico_City",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Asuncion",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Atlantic/Azores",
]

zones = st.sampled_from([ZoneInfo(name) for name in ZONES])
# From 1995 to 2060.
instants = st.integers(788_918_400, 2_840_140_800).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
spans = st.timedeltas(timedelta(0), timedelta(days=4000))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("activated_at", "zone", "now", "year"),
    [
        # the day before and the midnight of the anniversary: 22:00 and 23:00 UTC in Madrid
        ("2025-06-15T10:00", "Europe/Madrid", "2025-06-15T10:00", 1),
        ("2025-06-15T10:00", "Europe/Madrid", "2026-06-14T21:59:59.999999", 1),
        ("2025-06-15T10:00", "Europe/Madrid", "2026-06-14T22:00", 2),
        ("2025-01-15T10:00", "Europe/Madrid", "2026-01-14T22:59:59", 1),
        ("2025-01-15T10:00", "Europe/Madrid", "2026-01-14T23:00", 2),
        ("2025-01-15T10:00", "Europe/Madrid", "2027-01-14T23:00", 3),
        # 23:30 UTC is tomorrow in Madrid, and still today in Mexico
        ("2025-01-14T23:30", "Europe/Madrid", "2026-01-14T22:59", 1),
        ("2025-01-14T23:30", "Europe/Madrid", "2026-01-14T23:00", 2),
        ("2025-01-14T23:30", "America/Mexico_City", "2026-01-14T05:59", 1),
        ("2025-01-14T23:30", "America/Mexico_City", "2026-01-14T06:00", 2),
        # New Year's Eve in UTC is the new year in Madrid
        ("2024-12-31T23:00", "Europe/Madrid", "2025-12-31T22:59", 1),
        ("2024-12-31T23:00", "Europe/Madrid", "2025-12-31T23:00", 2),
        # leap days: the 28th in common years, the 29th again four years on
        ("2024-02-29T12:00", "UTC", "2025-02-27T23:59:59", 1),
        ("2024-02-29T12:00", "UTC", "2025-02-28T00:00", 2),
        ("2024-02-29T12:00", "UTC", "2028-02-28T23:59:59", 4),
        ("2024-02-29T12:00", "UTC", "2028-02-29T00:00", 5),
        ("2024-02-28T12:00", "UTC", "2025-02-28T00:00", 2),
        ("2023-03-01T12:00", "UTC", "2024-02-29T23:59", 1),
        # 28 February 23:30 UTC is leap day in Madrid
        ("2024-02-28T23:30", "Europe/Madrid", "2025-02-27T23:00", 2),
        # the clocks change on the anniversary itself: 29 March 2026 in Madrid, and on the eve
        # of the next one, 28 March 2027
        ("2025-03-29T12:00", "Europe/Madrid", "2026-03-28T22:59", 1),
        ("2025-03-29T12:00", "Europe/Madrid", "2026-03-28T23:00", 2),
        ("2025-03-29T12:00", "Europe/Madrid", "2027-03-28T21:59", 2),
        ("2025-03-29T12:00", "Europe/Madrid", "2027-03-28T22:00", 3),
        # midnight of 24 April 2026 does not exist in Cairo: the day begins at 1:00
        ("2025-04-24T12:00", "Africa/Cairo", "2026-04-23T21:59:59", 1),
        ("2025-04-24T12:00", "Africa/Cairo", "2026-04-23T22:00", 2),
        # Samoa had no 30 December 2011
        ("2010-12-30T12:00", "Pacific/Apia", "2011-12-30T09:59:59", 1),
        ("2010-12-30T20:00", "Pacific/Apia", "2011-12-30T10:00", 2),
        # a clock behind the activation's
        ("2025-06-15T10:00", "Europe/Madrid", "2025-06-15T09:59", 1),
        ("2025-06-15T10:00", "Europe/Madrid", "2020-01-01T00:00", 1),
    ],
)
def test_a_year_begins_with_the_local_day_of_its_anniversary(
    activated_at: str, zone: str, now: str, year: int
) -> None:
    assert compute_year(utc(activated_at), utc(now), ZoneInfo(zone)) == year


def test_before_the_activation_it_is_year_one() -> None:
    assert compute_year(None, utc("2026-01-01"), MADRID) == 1


def test_an_anniversary_is_counted_from_the_activation_and_not_from_the_last_one() -> None:
    leap_day = utc("2024-02-29T12:00")
    assert [compute_anniversary(leap_day, years, MADRID) for years in range(5)] == [
        date(2024, 2, 29),
        date(2025, 2, 28),
        date(2026, 2, 28),
        date(2027, 2, 28),
        date(2028, 2, 29),
    ]
    assert compute_anniversary(utc("1896-02-29T12:00"), 4, ZoneInfo("UTC")) == date(1900, 2, 28)


@pytest.mark.parametrize(
    ("activated_at", "now", "month"),
    [
        ("2025-01-31T12:00", "2025-01-31T12:00", 1),
        ("2025-01-31T12:00", "2025-02-27T12:00", 1),
        ("2025-01-31T12:00", "2025-02-28T12:00", 2),
        ("2025-01-31T12:00", "2025-03-30T12:00", 2),
        ("2025-01-31T12:00", "2025-03-31T12:00", 3),
        ("2025-01-31T12:00", "2025-03-30T22:00", 3),
        ("2025-01-31T12:00", "2026-01-30T22:59", 12),
        ("2025-01-31T12:00", "2026-01-30T23:00", 13),
        ("2025-01-31T12:00", "2027-01-30T22:00", 24),
        ("2025-01-31T12:00", "2027-01-30T23:00", 24),
        ("2025-01-31T12:00", "2040-01-01T00:00", 24),
        ("2025-01-31T12:00", "2025-01-01T00:00", 1),
    ],
)
def test_months_are_counted_from_one_up_to_the_last(
    activated_at: str, now: str, month: int
) -> None:
    assert compute_month(utc(activated_at), utc(now), MADRID, 24) == month


def test_before_the_activation_it_is_month_zero_without_a_renewal() -> None:
    assert compute_month(None, utc("2026-01-01"), MADRID, 24) == 0
    assert compute_renewal(None, 24, MADRID) is None


@pytest.mark.parametrize(
    ("activated_at", "months", "renewal"),
    [
        ("2025-01-15T10:00", 24, "2027-01-14T23:00"),
        ("2025-06-15T22:30", 24, "2027-06-15T22:00"),
        ("2024-02-29T12:00", 24, "2026-02-27T23:00"),
        ("2024-02-29T12:00", 48, "2028-02-28T23:00"),
    ],
)
def test_the_months_are_over_where_a_local_day_begins(
    activated_at: str, months: int, renewal: str
) -> None:
    assert compute_renewal(utc(activated_at), months, MADRID) == utc(renewal)


def test_an_instant_of_any_zone_is_understood_but_a_naive_one_is_refused() -> None:
    late = datetime(2025, 1, 14, 20, tzinfo=timezone(timedelta(hours=-5)))
    assert to_local_day(late, MADRID) == date(2025, 1, 15)
    with pytest.raises(ValueError, match="time zone"):
        to_local_day(late.replace(tzinfo=None), MADRID)


@given(activated_at=instants, span=spans, tz=zones)
def test_every_instant_belongs_to_exactly_one_year(
    activated_at: datetime, span: timedelta, tz: ZoneInfo
) -> None:
    now = activated_at + span
    starts = [
        to_start_of_day(compute_anniversary(activated_at, years, tz), tz) for years in range(13)
    ]
    owners = [years for years in range(1, 13) if starts[years - 1] <= now < starts[years]]
    assert owners == [compute_year(activated_at, now, tz)]


@given(activated_at=instants, span=spans, later=spans, tz=zones)
def test_years_and_months_never_decrease_with_time(
    activated_at: datetime, span: timedelta, later: timedelta, tz: ZoneInfo
) -> None:
    now = activated_at + span
    assert compute_year(activated_at, now, tz) <= compute_year(activated_at, now + later, tz)
    assert compute_month(activated_at, now, tz, 200) <= compute_month(
        activated_at, now + later, tz, 200
    )


@given(activated_at=instants, span=spans, tz=zones)
def test_a_year_has_twelve_months(activated_at: datetime, span: timedelta, tz: ZoneInfo) -> None:
    now = activated_at + span
    month = compute_month(activated_at, now, tz, 200)
    assert compute_year(activated_at, now, tz) == (month - 1) // 12 + 1


@given(activated_at=instants, years=st.integers(1, 20), tz=zones)
def test_a_year_turns_at_one_microsecond(activated_at: datetime, years: int, tz: ZoneInfo) -> None:
    turn = to_start_of_day(compute_anniversary(activated_at, years, tz), tz)
    assert compute_year(activated_at, turn, tz) == years + 1
    assert compute_year(activated_at, turn - timedelta(microseconds=1), tz) == years


ACTIVATED = utc("2025-03-01T12:00")
NOW = utc("2025-06-10T12:00")


def due(
    *lenses: Boxes,
    activated_at: datetime | None = ACTIVATED,
    now: datetime = NOW,
    ended: bool = False,
) -> date | None:
    return compute_next_delivery_date(lenses, activated_at, now, MADRID, 24, ended=ended)


@pytest.mark.parametrize(
    ("box_count", "day"),
    [
        (1, date(2026, 6, 1)),
        (2, date(2025, 12, 1)),
        (4, date(2025, 9, 1)),
        (5, date(2025, 8, 1)),
        (12, date(2025, 7, 1)),
        (30, date(2025, 7, 1)),
    ],
)
def test_boxes_are_spread_over_the_year_in_whole_months(box_count: int, day: date) -> None:
    assert due(Boxes(box_count, 0, date(2025, 6, 1))) == day


def test_the_soonest_eye_with_boxes_left_decides() -> None:
    slow, fast = Boxes(2, 1, date(2025, 6, 1)), Boxes(6, 1, date(2025, 6, 5))
    assert due(slow, fast) == date(2025, 8, 5)
    assert due(slow, fast._replace(delivered_boxes=6)) == date(2025, 12, 1)


def test_an_eye_that_was_passed_over_is_due_since_the_year_began() -> None:
    delivered, passed_over = Boxes(4, 1, date(2025, 6, 1)), Boxes(4, 0, None)
    assert due(delivered, passed_over) == date(2025, 3, 1)
    assert due(delivered, passed_over, activated_at=None) == date(2025, 6, 1)


def test_the_next_anniversary_comes_once_no_box_is_left() -> None:
    assert due(Boxes(4, 4, date(2025, 6, 1)), Boxes(2, 2, date(2025, 4, 1))) == date(2026, 3, 1)


def test_what_fell_due_at_an_anniversary_stays_due_since_then() -> None:
    used_up_last_year = Boxes(4, 0, date(2025, 3, 2))
    assert due(used_up_last_year, now=utc("2026-04-01T12:00")) == date(2026, 3, 1)


def test_a_delivery_late_in_the_year_counts_into_the_next() -> None:
    late = Boxes(4, 0, date(2026, 2, 1))
    assert due(late, now=utc("2026-03-05T12:00")) == date(2026, 5, 1)


def test_nothing_is_due_before_the_first_delivery() -> None:
    assert due() is None
    assert due(Boxes(4, 0, None), Boxes(4, 0, None)) is None


def test_before_the_activation_the_boxes_of_year_one_are_spread_too() -> None:
    assert due(Boxes(4, 1, date(2025, 2, 1)), activated_at=None) == date(2025, 5, 1)
    assert due(Boxes(4, 4, date(2025, 2, 1)), activated_at=None) is None


def test_nothing_is_due_after_the_end() -> None:
    lens = Boxes(4, 1, date(2025, 6, 1))
    assert due(lens, ended=True) is None
    assert due(lens._replace(delivered_boxes=0), now=utc("2027-03-01T12:00")) is None
    last_year = utc("2026-12-01T12:00")
    assert due(Boxes(4, 1, date(2026, 11, 30)), now=last_year) == date(2027, 2, 28)
    assert due(Boxes(4, 1, date(2026, 12, 1)), now=last_year) is None
    assert due(Boxes(4, 4, date(2026, 12, 1)), now=last_year) is None


def test_a_delivery_on_the_last_of_a_month_falls_due_on_the_last_of_a_shorter_one() -> None:
    assert due(Boxes(4, 1, date(2025, 11, 30)), now=utc("2025-12-01")) == date(2026, 2, 28)

"""Terms: months agreed on, renewed one by one, and extended by changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from subscriptions_svc.rules.agreements.terms import Term

MADRID, NEW_YORK, APIA = (
    ZoneInfo(name) for name in ("Europe/Madrid", "America/New_York", "Pacific/Apia")
)
ZONES = (MADRID, NEW_YORK, APIA)
INSTANT = timedelta(microseconds=1)
STARTS = [
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    datetime(2026, 1, 31, 23, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # the clocks of Madrid go forward
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),  # those of New York go back
    datetime(2026, 12, 31, 10, tzinfo=UTC),
]


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("start", STARTS, ids=str)
def test_every_renewal_of_48_months_follows_the_one_before(start: datetime, zone: ZoneInfo) -> None:
    term = Term(24, 24)
    end = term.compute_end(start, zone)
    renewal = term.compute_renewal(start, start, zone)
    assert renewal == Term(24).compute_end(start, zone)
    anchor = start.astimezone(zone).day
    for month in range(25, 49):
        assert renewal is not None
        local = renewal.astimezone(zone)
        assert (local.hour, local.minute) == (0, 0)
        assert local.day == anchor or (local + timedelta(days=1)).day == 1
        assert term.count_months_begun(start, renewal - INSTANT, zone) == month - 1
        assert term.count_months_begun(start, renewal, zone) == month
        before, renewal = renewal, term.compute_renewal(start, renewal, zone)
        assert before < (renewal or before)
    assert renewal == end
    assert term.compute_renewal(start, end or start, zone) == end
    assert term.count_months_begun(start, datetime(2100, 1, 1, tzinfo=UTC), zone) == 48


def test_without_renewals_it_ends_after_the_agreed_months() -> None:
    start, late = STARTS[0], datetime(2100, 1, 1, tzinfo=UTC)
    term = Term(24)
    assert term.compute_end(start, MADRID) == datetime(2026, 2, 27, 23, tzinfo=UTC)
    assert term.compute_renewal(start, late, MADRID) == term.compute_end(start, MADRID)
    assert term.count_months_begun(start, late, MADRID) == 24


def test_nothing_is_counted_before_the_activation() -> None:
    term = Term(24, 24)
    assert term.count_months_begun(None, STARTS[0], MADRID) == 24
    assert term.compute_renewal(None, STARTS[0], MADRID) is None
    assert term.compute_end(None, MADRID) is None


@pytest.mark.parametrize(
    ("months_begun", "year", "extended_year", "total"),
    [
        (24, 1, None, 24),  # in the first year it does not extend
        (24, 2, None, 36),
        (24, 2, 2, 24),  # nor twice in a year
        (24, 3, 2, 36),
        (30, 3, None, 42),  # six renewed months have begun
    ],
)
def test_a_change_extends_once_a_year(
    months_begun: int, year: int, extended_year: int | None, total: int
) -> None:
    assert Term(24, 12).extend(months_begun, year, extended_year) == Term(total, 12)

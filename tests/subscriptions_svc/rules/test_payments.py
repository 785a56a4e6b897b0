"""Which months are opened, what follows from states, and which reminder is due."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from subscriptions_svc.rules.paying.payments import follow_states, list_months
from subscriptions_svc.rules.reminding.reminders import KINDS, Facts, choose_reminder
from subscriptions_svc.rules.statuses import Status

MADRID = ZoneInfo("Europe/Madrid")
LEAP = datetime(2028, 2, 29, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "began", "now", "expected"),
    [
        (None, None, NOW, [1]),
        (1, None, NOW, []),
        (None, LEAP, LEAP, [1]),
        (1, LEAP, datetime(2028, 3, 28, 21, 59, tzinfo=UTC), []),
        # Midnight in Madrid is 22:00 UTC in summer, 23:00 in winter.
        (1, LEAP, datetime(2028, 3, 28, 22, 0, tzinfo=UTC), [2]),
        (1, LEAP, datetime(2029, 2, 27, 23, 0, tzinfo=UTC), list(range(2, 14))),
        (None, LEAP, datetime(2029, 2, 27, 23, 0, tzinfo=UTC), [13]),
        (13, LEAP, datetime(2029, 2, 27, 23, 0, tzinfo=UTC), []),
    ],
    ids=map(str, range(8)),
)
def test_months_begin_at_local_midnight(
    last: int | None, began: datetime | None, now: datetime, expected: list[int]
) -> None:
    assert list(list_months(last, began, now, MADRID)) == expected


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ("", None),
        ("due", None),
        ("refunded", None),
        ("due taken refunded", "paid"),
        ("taken failed", "failed"),
    ],
    ids=map(str, range(5)),
)
def test_the_status_that_follows(states: str, status: str | None) -> None:
    assert follow_states(states.split()) == status


@pytest.mark.parametrize(
    ("status", "days_old", "due_in", "kind"),
    [
        ("sent", 2.9, None, None),
        ("sent", 3, None, "cart_unconfirmed"),
        ("in_progress", 29.9, None, "cart_unconfirmed"),
        ("in_progress", 30, None, None),
        ("draft", 5, None, None),
        ("active", 90, 1, None),
        ("active", 90, 0, "boxes_due"),
        ("activating", 90, -60, "boxes_due"),
        ("active", 90, -61, None),
        ("cancelled", 90, 0, None),
    ],
)
def test_the_reminder_that_is_due(
    status: str, days_old: float, due_in: int | None, kind: str | None
) -> None:
    today = date(2026, 3, 10)
    following = None if due_in is None else today + timedelta(days=due_in)
    facts = Facts(Status(status), NOW - timedelta(days=days_old), following)
    assert choose_reminder(KINDS, facts, NOW, today) == kind
    assert choose_reminder([], facts, NOW, today) is None

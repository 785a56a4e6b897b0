"""The actions that a state allows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from subscriptions_svc.rules.available_actions import State, find_available_actions
from subscriptions_svc.rules.settling.withdrawals import Progress
from subscriptions_svc.rules.statuses import LIVE, PaymentStatus, Status
from tests.subscriptions_svc.bodies import Document


def test_live_is_every_status_but_the_two_ends() -> None:
    assert set(Status) - set(LIVE) == {"cancelled", "finished"}


# Actions that no shopper need confirm; those of a card and of gift kits are never allowed.
ADJUSTING = {"update_customer_info", "change_graduation", "reset_sms_count", "extend_period"}
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL_FACTS: Document = {
    "payment_status": PaymentStatus.PAID,
    "country": "ES",
    "email": "ana@example.com",
    "has_phone": True,
    "email_count": 0,
    "sms_count": 0,
    "sms_resets": 0,
    "renewal_months": 0,
    "has_lenses": True,
    "has_pending_cart": False,
    "has_room": True,
    "exchangeable_items": 1,
    "pending_items": 1,
    "active_materials": 1,
    "remaining_boxes": 1,
}


def find_actions(
    status: str,
    hours: float | None = None,
    delivered: float | None = None,
    days: int = 0,
    **facts: Any,
) -> set[str]:
    """Allowed actions so many hours after the confirmation, and after the first delivery."""
    confirmed_at, delivered_at = (
        None if ago is None else NOW - timedelta(hours=ago) for ago in (hours, delivered)
    )
    progress = Progress(confirmed_at, delivered_at, days)
    state = State(Status(status), progress, **(ALL_FACTS | facts))
    allowed = find_available_actions(state, NOW)
    assert len(allowed) == 16
    return {name for name, yes in allowed.items() if yes}


@pytest.mark.parametrize(
    ("status", "hours", "facts", "allowed"),
    [
        ("draft", None, {}, {"withdraw", "send_sms"}),
        ("draft", None, {"has_phone": False}, {"withdraw"}),
        ("draft", None, {"country": "MX"}, {"withdraw", "send_sms", "send_cart_link_email"}),
        ("sent", None, {"sms_count": 1}, {"withdraw", "resend_sms"}),
        ("in_progress", None, {"sms_count": 2, "has_phone": False}, {"withdraw"}),
        ("waiting_for_payment", None, {}, {"withdraw", "send_sms", "send_cart_link_email"}),
        ("waiting_for_payment", None, {"email": None}, {"withdraw", "send_sms"}),
        (
            "activating",
            1,
            {},
            {"withdraw", "activate_product", "use_warranty", "deliver_boxes"},
        ),
        (
            "activating",
            1,
            {"active_materials": 0, "remaining_boxes": 0},
            {"withdraw", "activate_product"},
        ),
        ("activating", 23.999, {"pending_items": 0}, {"withdraw", "use_warranty", "deliver_boxes"}),
        (
            "activating",
            24,
            {"pending_items": 0},
            {"cancel", "withdraw", "use_warranty", "deliver_boxes"},
        ),
        (
            "active",
            1000,
            {"pending_items": 0},
            {"cancel", "withdraw", "add_product", "change_item", "use_warranty", "deliver_boxes"},
        ),
        (
            "active",
            1000,
            {
                "pending_items": 0,
                "payment_status": PaymentStatus.FAILED,
                "active_materials": 0,
                "remaining_boxes": 0,
            },
            {"cancel", "withdraw", "add_product"},
        ),
        (
            "activating",
            1,
            {"delivered": 0.5, "pending_items": 0},
            {"cancel", "withdraw", "use_warranty", "deliver_boxes"},
        ),
        (
            "activating",
            1000,
            {"days": 14, "pending_items": 0},
            {"withdraw", "use_warranty", "deliver_boxes"},
        ),
        (
            "activating",
            1000,
            {"days": 14, "delivered": 1, "pending_items": 0},
            {"cancel", "withdraw", "use_warranty", "deliver_boxes"},
        ),
        ("cancelled", None, {}, set()),
        ("cancelled", 1, {}, set()),
        ("finished", 20_000, {}, set()),
    ],
)
def test_the_state_determines_the_available_actions(
    status: str, hours: float | None, facts: Document, allowed: set[str]
) -> None:
    assert find_actions(status, hours, **facts) - ADJUSTING == allowed


@pytest.mark.parametrize(
    ("status", "hours", "facts", "allowed"),
    [
        ("draft", None, {}, {"update_customer_info"}),
        ("sent", None, {"sms_count": 1}, {"update_customer_info", "reset_sms_count"}),
        ("sent", None, {"sms_count": 3, "sms_resets": 3}, {"update_customer_info"}),
        ("sent", None, {"sms_count": 3, "has_phone": False}, {"update_customer_info"}),
        ("activating", 1, {"sms_count": 1}, {"update_customer_info", "change_graduation"}),
        ("activating", 1, {"has_lenses": False}, {"update_customer_info"}),
        ("active", 1, {}, ADJUSTING - {"reset_sms_count"}),
        ("active", 1, {"has_pending_cart": True, "sms_count": 1}, ADJUSTING),
        ("active", 1, {"renewal_months": 23}, ADJUSTING - {"reset_sms_count"}),
        ("active", 1, {"renewal_months": 24}, {"update_customer_info", "change_graduation"}),
        ("cancelled", 1, {"sms_count": 1}, set()),
        ("finished", 20_000, {"sms_count": 1}, set()),
    ],
)
def test_the_state_determines_what_a_shop_may_change(
    status: str, hours: float | None, facts: Document, allowed: set[str]
) -> None:
    assert find_actions(status, hours, **facts) & ADJUSTING == allowed

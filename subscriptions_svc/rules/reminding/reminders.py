"""Reminders: which one is due, if any. A kind is sent only for merchants that have it on."""

from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from typing import NamedTuple

from subscriptions_svc.rules.statuses import CONFIRMED, Status

BOXES_DUE, CART_UNCONFIRMED = "boxes_due", "cart_unconfirmed"
PRESCRIPTION_EXPIRING = "prescription_expiring"
# From one reminder of a subscription to the next, whatever its kind.
REMINDER_INTERVAL = timedelta(days=7)
LOOK_INTERVAL = timedelta(days=1)  # from one look at a subscription to the next
CART_WAIT = timedelta(days=3)  # from the solicitation to the first reminder of its cart
CART_GIVEN_UP = timedelta(days=30)  # from the solicitation: nobody wants it any more
BOXES_GIVEN_UP = timedelta(days=60)  # from the day on which they were due
EXPIRY_NOTICE = timedelta(days=30)  # to the last day of a prescription: time for an eye test


class Facts(NamedTuple):
    """What a reminder may be about."""

    status: Status
    created_at: datetime
    next_delivery_date: date | None
    prescription_expiry: date | None = None  # the earliest that is still to come


def _are_boxes_due(facts: Facts, now: datetime, today: date) -> bool:
    due = facts.next_delivery_date
    return facts.status in CONFIRMED and due is not None and due <= today <= due + BOXES_GIVEN_UP


def _is_prescription_expiring(facts: Facts, now: datetime, today: date) -> bool:
    expiry = facts.prescription_expiry
    return facts.status in CONFIRMED and expiry is not None and today >= expiry - EXPIRY_NOTICE


def _is_cart_unconfirmed(facts: Facts, now: datetime, today: date) -> bool:
    # A draft was sent to nobody.
    is_waiting = facts.status in (Status.SENT, Status.IN_PROGRESS)
    return is_waiting and CART_WAIT <= now - facts.created_at < CART_GIVEN_UP


# By kind, the most urgent first: a prescription expires, boxes can be had later.
CHECKS: dict[str, Callable[[Facts, datetime, date], bool]] = {
    PRESCRIPTION_EXPIRING: _is_prescription_expiring,
    BOXES_DUE: _are_boxes_due,
    CART_UNCONFIRMED: _is_cart_unconfirmed,
}
KINDS = tuple(CHECKS)


def choose_reminder(
    wanted: Collection[str], facts: Facts, now: datetime, today: date
) -> str | None:
    """Return the kind of the reminder that is due, of those that the merchant wants."""
    due = (kind for kind, check in CHECKS.items() if kind in wanted and check(facts, now, today))
    return next(due, None)

"""Statuses of a subscription and of its payment, and the period that moves them."""

from datetime import datetime, timedelta
from enum import StrEnum


class Status(StrEnum):
    """Status of a subscription, in the order of its life."""

    DRAFT = "draft"
    SENT = "sent"
    IN_PROGRESS = "in_progress"
    WAITING_FOR_PAYMENT = "waiting_for_payment"
    ACTIVATING = "activating"
    ACTIVE = "active"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class PaymentStatus(StrEnum):
    """Status of a subscription's payment."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"


# Before the shopper has opened the page of the cart.
UNOPENED = (Status.DRAFT, Status.SENT)
UNCONFIRMED = (Status.DRAFT, Status.SENT, Status.IN_PROGRESS, Status.WAITING_FOR_PAYMENT)
CONFIRMED = (Status.ACTIVATING, Status.ACTIVE)
LIVE = UNCONFIRMED + CONFIRMED

# From the confirmation, unless every item is handed over earlier.
ACTIVATION_PERIOD = timedelta(days=30)


def derive_status(status: str, renewal_at: datetime | None, now: datetime) -> Status:
    """Return the effective status at `now`: an active subscription past its renewal is finished."""
    if status == Status.ACTIVE and renewal_at is not None and renewal_at <= now:
        return Status.FINISHED
    return Status(status)

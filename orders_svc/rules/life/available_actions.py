"""The actions that the state of an order allows; its RPCs refuse all others."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from orders_svc.rules.lab_status import LabStatus

MAX_HOLD_MINUTES = 1440
# Statuses of an order that its lab has and works on.
AT_THE_LAB = frozenset({LabStatus.SUBMITTED, LabStatus.IN_PROGRESS, LabStatus.ON_HOLD})
ARRIVED = AT_THE_LAB | {LabStatus.SHIPPED, LabStatus.READY_FOR_PICKUP}


class OrderState(NamedTuple):
    """What decides which actions an order allows."""

    lab_status: LabStatus
    transmit_at: datetime | None = None
    client_cancelled_at: datetime | None = None
    cancel_answer: str | None = None

    @classmethod
    def of(cls, row: Any) -> "OrderState":
        """Return the state of an order's row."""
        return cls(
            LabStatus(row.lab_status), row.transmit_at, row.client_cancelled_at, row.cancel_answer
        )

    def is_held(self, now: datetime) -> bool:
        """Return whether the order waits for its transmission, and may still be changed."""
        pending = self.lab_status == LabStatus.PENDING_TRANSMISSION
        return pending and self.transmit_at is not None and now < self.transmit_at

    @property
    def is_asked_to_cancel(self) -> bool:
        """Whether the client waits for the lab's answer to a request to cancel."""
        return self.client_cancelled_at is not None and self.cancel_answer is None


def find_available_actions(state: OrderState, now: datetime) -> dict[str, bool]:
    """Return whether each action is allowed at `now`."""
    is_draft, is_held = state.lab_status == LabStatus.DRAFT, state.is_held(now)
    is_leaving = state.lab_status == LabStatus.PENDING_TRANSMISSION and not is_held
    is_at_lab = state.lab_status in AT_THE_LAB or is_leaving
    has_arrived = state.lab_status in ARRIVED
    return {
        "edit": is_draft or is_held,
        "delete": is_draft,
        "submit": is_draft,
        "cancel": is_held,
        "request_cancel": is_at_lab and not state.is_asked_to_cancel,
        "duplicate": True,
        "redo": has_arrived,
        "multi_pair": has_arrived,
        "mark_ready": state.lab_status == LabStatus.SHIPPED,
    }


def find_transmission(settings: Any, now: datetime) -> datetime | None:
    """Return when an order submitted now is transmitted; None for at once."""
    minutes = settings.get("hold_minutes") or 0
    return now + timedelta(minutes=minutes) if minutes else None

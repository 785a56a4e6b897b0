"""The history of an order, completed from its row.

The creation of most orders has no entry, and no change from before there were entries has one.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from orders_svc.rules.lab_status import LabStatus


class Event(StrEnum):
    """What became of an order."""

    CREATED = "created"
    EDITED = "edited"
    SUBMITTED = "submitted"
    TRANSMITTED = "transmitted"
    CANCELLED = "cancelled"
    CANCEL_REQUESTED = "cancel_requested"
    CANCEL_REFUSED = "cancel_refused"
    READY_FOR_PICKUP = "ready_for_pickup"
    STATUS_CHANGED = "status_changed"


CLIENT, LAB, SYSTEM = "client", "lab", "system"


def complete_history(row: Any, entries: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the history of an order, oldest first, from its row and its entries."""
    history = [*_find_beginning(row, entries), *map(_describe_entry, entries)]
    if history[-1]["lab_status"] != row.lab_status:
        history.append(
            {
                "at": row.updated_at,
                "event": Event.STATUS_CHANGED.value,
                "lab_status": row.lab_status,
            }
        )
    return history


def _find_beginning(row: Any, entries: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield the changes that have no entry: the creation, and a submission before any entry."""
    if entries and entries[0].version == 1:
        return
    status = LabStatus.SUBMITTED
    if row.document["mode"] == "draft":
        status = LabStatus.DRAFT
    elif row.lab_status == LabStatus.PENDING_TRANSMISSION:
        status = LabStatus.PENDING_TRANSMISSION
    yield {
        "at": row.created_at,
        "event": Event.CREATED.value,
        "lab_status": status.value,
        "by": CLIENT,
        "user": row.user_email,
    }
    is_recorded = any(each.event == Event.SUBMITTED for each in entries)
    if status == LabStatus.DRAFT and row.submitted_at is not None and not is_recorded:
        yield {
            "at": row.submitted_at,
            "event": Event.SUBMITTED.value,
            "lab_status": LabStatus.SUBMITTED.value,
            "by": CLIENT,
        }


def _describe_entry(entry: Any) -> dict[str, Any]:
    described = {
        "at": entry.at,
        "event": entry.event,
        "lab_status": entry.lab_status,
        "by": entry.by,
    }
    if entry.user_email is not None:
        described["user"] = entry.user_email
    if entry.lab_word is not None:
        described["lab_word"] = entry.lab_word
    return described

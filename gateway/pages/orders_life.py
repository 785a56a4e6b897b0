"""The life of an order in words: its history, and what became of it."""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.pages.orders_sheet import describe_status
from protos.orders_pb2 import HistoryEntry, Order

EVENTS = {
    "created": "Created",
    "edited": "Edited",
    "submitted": "Submitted",
    "transmitted": "Transmitted to the lab",
    "cancelled": "Cancelled",
    "cancel_requested": "Cancellation requested",
    "cancel_refused": "Cancellation refused",
    "ready_for_pickup": "Ready for pickup",
    "status_changed": "Status changed",
}
WHO = {"client": "your office", "lab": "the lab", "system": "Optigate"}
TELLING = ("created", "status_changed")  # the status says what happened


class Line(NamedTuple):
    """A line of the history."""

    at: int
    text: str
    by: str
    lab_word: str


def list_history(order: Order) -> list[Line]:
    """Return the history of an order, newest first."""
    return [_write_line(entry) for entry in reversed(order.history)]


def _write_line(entry: HistoryEntry) -> Line:
    text = EVENTS.get(entry.event, entry.event)
    if entry.event in TELLING:
        text = f"{text}: {describe_status(entry.lab_status)[0].lower()}"
    return Line(entry.at, text, entry.user or WHO.get(entry.by, ""), entry.lab_word)


def describe_cancellation(order: Order) -> Iterator[str]:
    """Yield what the client and the lab did to cancel an order."""
    done = order.cancellation
    if done.HasField("client") and not done.HasField("lab"):
        if order.lab_status == "cancelled":
            yield "You cancelled this order before it was sent."
        elif done.answer == "refused":
            yield "The lab was asked to cancel this order, and goes on with it."
        else:
            yield "The lab is asked to cancel this order; it has not answered yet."
    if done.HasField("lab"):
        asked = " as you asked" if done.HasField("client") else ""
        yield f"The lab cancelled this order{asked}."
    if done.reason:
        yield f"The lab says: {done.reason}"

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
# Why a job did not reach a lab's system, in words for people; for everything else ERROR_WORDS.
REASONS = {
    **dict.fromkeys(("name", "refused", "unreachable", "reset"), "it cannot be reached"),
    **dict.fromkeys(("tls", "host_key", "handshake"), "it does not prove who it is"),
    **dict.fromkeys(("login", "secret"), "it does not let us log in"),
    "timeout": "it did not answer in time",
    "missing": "its folder is not there",
    "denied": "its folder may not be written to",
    "full": "it has no space left",
    "conflict": "it has another file of this name",
}
ERROR_WORDS = "it answered with an error"
TELLING = ("created", "status_changed")  # the status says what happened


class Note(NamedTuple):
    """A sentence beside its kind: good, warn or bad."""

    kind: str
    text: str


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


def describe_delivery(order: Order) -> Note | None:
    """Return what is to be said of the way of an order's job to its lab; None for nothing."""
    delivery = order.job_delivery
    if delivery.state == "pending" and not delivery.attempts:
        return Note("good", "The order is on its way to the lab's system.")
    why = REASONS.get(delivery.reason, ERROR_WORDS)
    if delivery.state == "pending":
        text = f"The lab's system has not received this order yet: {why}. It is tried again."
        return Note("warn", text)
    if delivery.state == "failed":
        text = f"The lab's system has not received this order: {why}."
        return Note(
            "bad", f"{text} Call the lab, or whoever runs this site: they can send it again."
        )
    if delivery.state == "cancelled":
        return Note("warn", "The order was not sent to the lab's system.")
    return None

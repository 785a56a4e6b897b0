"""AnswerCancelRequest: a lab answers a client who asked to cancel an order."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from orders_svc.documents.events import (
    ORDER_CANCEL_REFUSED,
    ORDER_STATUS_CHANGED,
    build_event,
)
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.life.history import LAB, Event
from orders_svc.store.life.cancellations import answer_request
from orders_svc.store.life.history import add_entry
from orders_svc.store.orders import get_submitted_order
from orders_svc.store.tables import accounts, outbox


def answer_cancel_request(tx: Connection, answer: dict[str, Any], now: datetime) -> Row[Any]:
    """Cancel the order or let it go on, and return its row.

    Raises NotFound unless it was submitted, and WrongState if nobody waits for an answer.
    """
    accepted, reason = answer["accepted"], answer.get("reason")
    values: dict[str, Any] = {"cancel_answer": "refused", "cancel_reason": reason}
    if accepted:
        values |= {
            "cancel_answer": "accepted",
            "lab_status": LabStatus.CANCELLED,
            "lab_cancelled_at": now,
        }
    row = answer_request(tx, answer["order_id"], values, now)
    if row is None:
        get_submitted_order(tx, answer["order_id"])
        raise WrongState("Nobody waits for an answer: the order has ended or is not to be.")
    event = Event.CANCELLED if accepted else Event.CANCEL_REFUSED
    add_entry(tx, row, event, LAB, now, lab_word=reason)
    type_ = ORDER_STATUS_CHANGED if accepted else ORDER_CANCEL_REFUSED
    outbox.add(tx, build_event(accounts.name(tx, row.account_id), type_, row._mapping, now), now)
    return row

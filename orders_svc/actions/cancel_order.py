"""CancelOrder: cancel an order before its transmission, or ask the lab to."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, not_

from chassis.context import Account
from chassis.errors import WrongState
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.life.available_actions import AT_THE_LAB, OrderState
from orders_svc.rules.life.history import CLIENT, Event
from orders_svc.store.life.history import add_entry
from orders_svc.store.orders import IS_ASKED, change_visible_order, get_order, note_order
from orders_svc.store.tables import orders


def cancel_order(
    tx: Connection, account: Account, user_id: int, order_id: str, now: datetime
) -> None:
    """Cancel the order, or record that its lab is asked to; raises NotFound or WrongState."""
    if note_order(order_id):
        key = (tx, account, user_id, order_id)
        row = _cancel_held(*key, now)
        event = Event.CANCELLED
        if row is None:
            row, event = _ask_lab(*key, now), Event.CANCEL_REQUESTED
        if row is not None:
            add_entry(tx, row, event, CLIENT, now, user_id=user_id)
            return
    _refuse(get_order(tx, account, user_id, order_id))


def _cancel_held(
    tx: Connection, account: Account, user_id: int, order_id: str, now: datetime
) -> Row[Any] | None:
    values = {
        "lab_status": LabStatus.CANCELLED,
        "transmit_at": None,
        "client_cancelled_at": now,
    }
    pending = orders.c.lab_status == LabStatus.PENDING_TRANSMISSION
    is_held = and_(pending, orders.c.transmit_at > now)
    return change_visible_order(tx, account, user_id, order_id, values, now, is_held)


def _ask_lab(
    tx: Connection, account: Account, user_id: int, order_id: str, now: datetime
) -> Row[Any] | None:
    values = {"client_cancelled_at": now, "cancel_answer": None, "cancel_reason": None}
    # The window of a pending order is over: it is about to be transmitted.
    at_lab = orders.c.lab_status.in_((*AT_THE_LAB, LabStatus.PENDING_TRANSMISSION))
    key = (tx, account, user_id, order_id)
    return change_visible_order(*key, values, now, at_lab, not_(IS_ASKED))


def _refuse(row: Row[Any]) -> None:
    if row.lab_status == LabStatus.DRAFT:
        raise WrongState("The order is a draft: delete it.")
    if OrderState.of(row).is_asked_to_cancel and row.lab_status in AT_THE_LAB:
        raise WrongState("The lab is asked to cancel this order, and has not answered yet.")
    raise WrongState(f"The order is {row.lab_status}, which does not allow this.")

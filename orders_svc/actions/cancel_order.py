"""CancelOrder: cancel an order before its transmission, or ask the lab to."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.context import Account
from chassis.errors import WrongState
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.life.available_actions import AT_THE_LAB, OrderState
from orders_svc.rules.life.history import CLIENT, Event
from orders_svc.store.life.changes import cancel_held_order, request_cancel
from orders_svc.store.life.history import add_entry
from orders_svc.store.orders import get_order


def cancel_order(
    tx: Connection, account: Account, user_id: int, order_id: str, now: datetime
) -> None:
    """Cancel the order, or record that its lab is asked to; raises NotFound or WrongState."""
    key = (tx, account, user_id, order_id, now)
    event, row = Event.CANCELLED, cancel_held_order(*key)
    if row is None:
        event, row = Event.CANCEL_REQUESTED, request_cancel(*key)
    if row is None:
        _refuse(get_order(tx, account, user_id, order_id))
    else:
        add_entry(tx, row, event, CLIENT, now, user_id=user_id)


def _refuse(row: Row[Any]) -> None:
    if row.lab_status == LabStatus.DRAFT:
        raise WrongState("The order is a draft: delete it.")
    if OrderState.of(row).is_asked_to_cancel and row.lab_status in AT_THE_LAB:
        raise WrongState("The lab is asked to cancel this order, and has not answered yet.")
    raise WrongState(f"The order is {row.lab_status}, which does not allow this.")

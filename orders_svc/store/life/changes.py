"""Changes that a client makes to an order's life, each a statement with its condition in it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, not_, update

from chassis.context import Account
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.life.available_actions import ARRIVED, AT_THE_LAB
from orders_svc.store.orders import BY_ID, IS_ASKED, IS_HELD, VISIBLE, bind_visible, note_order
from orders_svc.store.personal import ORDERS
from orders_svc.store.tables import orders


def cancel_held_order(
    tx: Connection, account: Account, user_id: int, order_id: str, now: datetime
) -> Row[Any] | None:
    """Cancel an order that waits for its transmission; None if it does not."""
    values = {
        "lab_status": LabStatus.CANCELLED,
        "transmit_at": None,
        "client_cancelled_at": now,
    }
    return _change(tx, account, user_id, order_id, values, now, IS_HELD, where_now=now)


def request_cancel(
    tx: Connection, account: Account, user_id: int, order_id: str, now: datetime
) -> Row[Any] | None:
    """Ask the lab to cancel an order that it has; None if it has not, or is asked already."""
    values = {"client_cancelled_at": now, "cancel_answer": None, "cancel_reason": None}
    # The window of a pending order is over: it is about to be transmitted.
    at_lab = orders.c.lab_status.in_((*AT_THE_LAB, LabStatus.PENDING_TRANSMISSION))
    return _change(tx, account, user_id, order_id, values, now, at_lab, not_(IS_ASKED))


def mark_copied(
    tx: Connection, account: Account, user_id: int, order_id: str, now: datetime
) -> Row[Any] | None:
    """Mark an order as the original of a redo or a further pair; None unless it has arrived."""
    arrived = orders.c.lab_status.in_(ARRIVED)
    return _change(tx, account, user_id, order_id, {"has_copies": True}, now, arrived)


def mark_ready(
    tx: Connection, account: Account, user_id: int, order_id: str, now: datetime
) -> Row[Any] | None:
    """Let a shipped order be picked up; None if it is not shipped."""
    shipped = orders.c.lab_status == LabStatus.SHIPPED
    values = {"lab_status": LabStatus.READY_FOR_PICKUP}
    return _change(tx, account, user_id, order_id, values, now, shipped)


def _change(
    tx: Connection,
    account: Account,
    user_id: int,
    order_id: str,
    values: Mapping[str, Any],
    now: datetime,
    *conditions: ColumnElement[bool],
    **parameters: Any,
) -> Row[Any] | None:
    """Change columns of an order that the user sees; None unless all conditions hold.

    `parameters` are those of the conditions.
    """
    if not note_order(order_id):
        return None
    statement = update(orders).where(BY_ID, VISIBLE, *conditions).returning(*orders.c)
    changed = statement.values({**values, "updated_at": now})
    key = {"where_id": order_id, **parameters, **bind_visible(account, user_id)}
    return ORDERS.open_first(tx, tx.execute(changed, key).first())

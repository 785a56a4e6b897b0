"""UpdateOrder: a lab changes an order's status, its numbers, or both."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from orders_svc.documents.events import ORDER_STATUS_CHANGED, build_event
from orders_svc.rules.lab_status import UPDATABLE_FIELDS, LabStatus, allowed_sources
from orders_svc.rules.life.history import LAB, Event
from orders_svc.store.life.history import add_entry
from orders_svc.store.orders import change_order, get_submitted_order
from orders_svc.store.tables import accounts, outbox


def update_order(
    tx: Connection, change: dict[str, Any], now: datetime, at: datetime | None = None
) -> Row[Any]:
    """Change the order and return its row; its history says that it was `at` a moment, or now.

    Raises NotFound unless it was submitted, and WrongState if its status does not allow the
    change. A change of status adds an event and an entry of the order's history.
    """
    values = {name: change[name] for name in UPDATABLE_FIELDS if name in change}
    row = change_order(tx, change["order_id"], allowed_sources(change), values, now)
    if row is None:
        lab_status = get_submitted_order(tx, change["order_id"]).lab_status
        raise WrongState(f"The order is {lab_status}, which does not allow this.")
    if "lab_status" in change:
        is_cancelled = change["lab_status"] == LabStatus.CANCELLED
        event = Event.CANCELLED if is_cancelled else Event.STATUS_CHANGED
        add_entry(tx, row, event, LAB, at or now, lab_word=change.get("lab_word"))
        client = accounts.name(tx, row.account_id)
        outbox.add(tx, build_event(client, ORDER_STATUS_CHANGED, row._mapping, now), now)
    return row

"""What is told to a client's endpoint of its orders: nothing of the patient, and not the document.

An event is written in the transaction of its change. The order is its stream.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping

from chassis.events.outbox import Event
from orders_svc.store import outbox

SUBMITTED, STATUS_CHANGED = "order.submitted", "order.status_changed"
Columns = Mapping[str, Any] | RowMapping
EVENTS = (SUBMITTED, STATUS_CHANGED)


def tell(tx: Connection, client: str, type_: str, order: Columns, now: datetime) -> None:
    """Tell a client, named by its account, what has become of one of its orders."""
    data = {
        "id": order["id"],
        "lab_status": order["lab_status"],
        "created": int(order["created_at"].timestamp()),
        "submitted": int(order["submitted_at"].timestamp()),
        "updated": int(order["updated_at"].timestamp()),
    }
    body = {"type": type_, "timestamp": now, "data": data}
    event = Event(client, order["id"], type_, msgspec.json.encode(body).decode())
    outbox.add(tx, event, now)

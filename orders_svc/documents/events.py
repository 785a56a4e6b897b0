"""Events about orders for a client's endpoint; they hold neither the document nor anything of the
patient but the person_ref, which is the client's own.

The order is the stream of its events.
"""

from datetime import datetime

import msgspec

from chassis.events.outbox import Event
from orders_svc.documents.orders import Columns, to_unix

ORDER_SUBMITTED, ORDER_STATUS_CHANGED = "order.submitted", "order.status_changed"
ORDER_CANCEL_REFUSED = "order.cancel_refused"
EVENT_TYPES = (ORDER_SUBMITTED, ORDER_STATUS_CHANGED, ORDER_CANCEL_REFUSED)


def build_event(client: str, type_: str, order: Columns, now: datetime) -> Event:
    """Return an event for a client, named by its account, about one of its orders."""
    data = {
        "id": order["id"],
        "lab_status": order["lab_status"],
        "created": to_unix(order["created_at"]),
        "submitted": to_unix(order["submitted_at"]),
        "updated": to_unix(order["updated_at"]),
        **({"person_ref": ref} if (ref := order["person_ref"]) else {}),
    }
    body = {"type": type_, "timestamp": now, "data": data}
    return Event(client, order["id"], type_, msgspec.json.encode(body).decode())

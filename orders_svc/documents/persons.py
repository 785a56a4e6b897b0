"""What is kept of a patient, as JSON."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from chassis.context import note_ids
from orders_svc.store.persons import read_lives, read_orders
from orders_svc.store.tables import outbox


def export_person(tx: Connection, ids: Sequence[str]) -> dict[str, Any]:
    """Return a patient's orders, what became of them, and the messages and events about them."""
    note_ids(*ids)
    hidden = ("account_id", "user_id", "first_last", "last_first", "tracking_code")
    orders = [
        {name: value for name, value in row.items() if name not in hidden}
        for row in read_orders(tx, ids)
    ]
    return {"orders": orders, **read_lives(tx, ids), "events": outbox.list_bodies(tx, ids)}

"""ReplayEvent: have an event delivered again, under the same id."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.context import note_ids
from orders_svc.store.tables import outbox


def replay_event(tx: Connection, event_id: str, now: datetime) -> Row[Any]:
    """Make an event due, and return its row; raises NotFound, or WrongState without an endpoint."""
    outbox.replay(tx, event_id, now)
    row = outbox.get(tx, event_id)
    note_ids(row.stream)
    return row

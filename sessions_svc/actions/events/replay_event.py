"""ReplayEvent: have an event delivered again, under the same id."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.events import desk
from sessions_svc.store.tables import outbox


def replay_event(tx: Connection, event_id: str, now: datetime) -> Row[Any]:
    """Make an event due, and return its row; raises NotFound, or WrongState without an endpoint."""
    return desk.replay_event(tx, outbox, event_id, now)

"""Starts an exam, or starts it again for a retake."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.statuses import Status
from sessions_svc.store.payments import fix_price
from sessions_svc.store.sessions import get_partner_session, move_session


def start_exam(tx: Connection, partner: str, session_key: str, now: datetime) -> Row[Any]:
    """Move created or retake_requested to started; raise NotFound or WrongState."""
    session = get_partner_session(tx, partner, session_key)
    session = fix_price(tx, move_session(tx, session, Status.STARTED, now), now)
    queue_session_event(tx, session, now)
    return session

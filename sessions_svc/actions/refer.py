"""Ends a session without a prescription."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.actions.payments.refund_payment import return_payment
from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.statuses import Status
from sessions_svc.store.sessions import get_partner_session, move_session


def refer(tx: Connection, partner: str, session_key: str, now: datetime) -> Row[Any]:
    """Move a session to referred; raise NotFound or WrongState."""
    session = get_partner_session(tx, partner, session_key)
    session = move_session(tx, session, Status.REFERRED, now)
    return_payment(tx, session, now)
    queue_session_event(tx, session, now)
    return session

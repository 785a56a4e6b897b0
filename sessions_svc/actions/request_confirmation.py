"""Requests what is missing before a review."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.statuses import Status
from sessions_svc.store.payments import require_payment
from sessions_svc.store.sessions import get_partner_session, move_session


def request_confirmation(
    tx: Connection, partner: str, session_key: str, missing_requirements: list[str], now: datetime
) -> Row[Any]:
    """Move a session to awaiting_confirmation; raise NotFound or WrongState."""
    session = get_partner_session(tx, partner, session_key)
    require_payment(tx, session, Status.AWAITING_CONFIRMATION)
    session = move_session(
        tx,
        session,
        Status.AWAITING_CONFIRMATION,
        now,
        missing_requirements=missing_requirements,
    )
    queue_session_event(tx, session, now)
    return session

"""Completes an acuity exam with its results."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.statuses import Status
from sessions_svc.store.sessions import get_partner_session, move_session


def complete_acuity(
    tx: Connection, partner: str, session_key: str, visual_acuity: Mapping[str, Any], now: datetime
) -> Row[Any]:
    """Move an acuity session to completed; raise NotFound or WrongState."""
    session = get_partner_session(tx, partner, session_key)
    session = move_session(tx, session, Status.COMPLETED, now, visual_acuity=visual_acuity)
    queue_session_event(tx, session, now)
    return session

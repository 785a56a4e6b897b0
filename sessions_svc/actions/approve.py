"""Dispenses prescriptions, which ends a session."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.statuses import Status
from sessions_svc.store.dispensed_prescriptions import add_dispensed_prescriptions
from sessions_svc.store.sessions import get_partner_session, move_session


def approve(
    tx: Connection,
    partner: str,
    session_key: str,
    dispensed_prescriptions: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Row[Any]:
    """Move a session to approved with its prescriptions; raise NotFound or WrongState."""
    session = get_partner_session(tx, partner, session_key)
    session = move_session(tx, session, Status.APPROVED, now)
    add_dispensed_prescriptions(tx, session.id, dispensed_prescriptions)
    queue_session_event(tx, session, now)
    return session

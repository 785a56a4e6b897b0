"""Submits an exam, or what was missing after it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.actions.payments.refund_payment import return_payment
from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.statuses import Status
from sessions_svc.store.payments import require_payment
from sessions_svc.store.sessions import get_partner_session, move_session


def submit_exam(
    tx: Connection,
    partner: str,
    session_key: str,
    status: str,
    now: datetime,
    missing_requirements: list[str] | None = None,
) -> Row[Any]:
    """Move a session to the status; raise NotFound or WrongState.

    `missing_requirements` belong to awaiting_confirmation.
    """
    session = get_partner_session(tx, partner, session_key)
    require_payment(tx, session, Status(status))
    session = move_session(
        tx, session, Status(status), now, missing_requirements=missing_requirements
    )
    return_payment(tx, session, now)
    queue_session_event(tx, session, now)
    return session

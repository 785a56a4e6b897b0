"""Completes an acuity exam with its results."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from sessions_svc.actions.payments.refund_payment import return_payment
from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.acuity import has_warning_sign
from sessions_svc.rules.products import owes_payment
from sessions_svc.rules.statuses import Status
from sessions_svc.store.sessions import WRONG_MOVE, get_partner_session, move_session


def complete_acuity(
    tx: Connection,
    partner: str,
    session_key: str,
    now: datetime,
    visual_acuity: Mapping[str, Any] | None = None,
    eye_health: Mapping[str, bool] | None = None,
) -> Row[Any]:
    """Move an acuity session to completed or referred; raise NotFound or WrongState."""
    session = get_partner_session(tx, partner, session_key)
    return end_acuity_exam(tx, session, now, visual_acuity, eye_health)


def end_acuity_exam(
    tx: Connection,
    session: Row[Any],
    now: datetime,
    visual_acuity: Mapping[str, Any] | None,
    eye_health: Mapping[str, bool] | None,
) -> Row[Any]:
    """End an exam with its results: referred with a warning sign, else completed once paid."""
    to = Status.COMPLETED
    if has_warning_sign(eye_health):
        to = Status.REFERRED
    elif owes_payment(session):
        to = Status.AWAITING_CHECKOUT
    if not session.is_acuity or session.status == Status.AWAITING_CHECKOUT:
        raise WrongState(WRONG_MOVE.format(to=to))
    session = move_session(tx, session, to, now, visual_acuity=visual_acuity, eye_health=eye_health)
    return_payment(tx, session, now)
    queue_session_event(tx, session, now)
    return session

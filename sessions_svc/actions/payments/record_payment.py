"""Records a payment that the operator has received."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.products import owes_payment
from sessions_svc.rules.statuses import Status, has_ended
from sessions_svc.store.payments import BY_STAFF, fix_price, lock_session, mark_paid
from sessions_svc.store.sessions import get_partner_session, move_session


def record_payment(
    tx: Connection, partner: str, session_key: str, now: datetime, reference: str | None = None
) -> Row[Any]:
    """Record the payment of a session's price; raise NotFound, WrongState or Busy."""
    session = get_partner_session(tx, partner, session_key)
    session = fix_price(tx, lock_session(tx, session.id), now)
    if has_ended(session.status):
        raise WrongState("The session has ended.")
    if not owes_payment(session):
        raise WrongState("The session has no price, or it is paid.")
    return settle(tx, session, BY_STAFF, reference, now)


def settle(
    tx: Connection, session: Row[Any], by: str, reference: str | None, now: datetime
) -> Row[Any]:
    """Mark a locked session as paid, and let it go on if it waits for that.

    The results of an acuity exam are released; any other exam is reviewed.
    """
    mark_paid(tx, session, by, reference, now)
    session = lock_session(tx, session.id)
    if session.status != Status.AWAITING_CHECKOUT:
        return session
    to = Status.COMPLETED if session.is_acuity else Status.AWAITING_REVIEW
    results = (session.visual_acuity, session.eye_health) if session.is_acuity else (None, None)
    session = move_session(tx, session, to, now, visual_acuity=results[0], eye_health=results[1])
    queue_session_event(tx, session, now)
    return session

"""Creates a link into the exam of a session."""

from datetime import datetime

from sqlalchemy import Connection

from chassis.context import Call
from chassis.errors import WrongState
from chassis.server.idempotency import build_key_mismatch
from sessions_svc.rules.links import compute_link_expiry
from sessions_svc.rules.statuses import has_ended
from sessions_svc.store.links import add_link
from sessions_svc.store.sessions import get_session


def create_authentication(
    tx: Connection,
    account_id: int,
    user_key: str,
    session_key: str,
    call: Call,
    token: str,
    now: datetime,
    redirect_url: str | None = None,
) -> datetime:
    """Store a link with this secret token, and return when it expires.

    A repeated call, whose idempotency key leads to the same token, keeps its first
    link and is marked as replayed. Raises NotFound, WrongState for a session that has
    ended, and Invalid for an idempotency key of another request.
    """
    session = get_session(tx, account_id, user_key, session_key)
    duplicate = add_link(tx, session.id, redirect_url, token, call.fingerprint, now)
    if duplicate is not None:
        if duplicate.fingerprint != call.fingerprint:
            raise build_key_mismatch()
        call.replayed = True
        expires_at: datetime = duplicate.expires_at
        return expires_at
    if has_ended(session.status):
        raise WrongState("The session has ended.")
    return compute_link_expiry(now)

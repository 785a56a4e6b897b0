"""Creates the link that a screen in a store shows as a QR code."""

from datetime import datetime

from sqlalchemy import Connection

from chassis.errors import WrongState
from sessions_svc.rules.links import compute_link_expiry
from sessions_svc.rules.statuses import has_ended
from sessions_svc.store.links import add_link
from sessions_svc.store.sessions import get_session


def create_kiosk_link(
    tx: Connection,
    account_id: int,
    user_key: str,
    session_key: str,
    token: str,
    now: datetime,
    redirect_url: str | None = None,
) -> datetime:
    """Store a link with this secret token unless there is one, and return when it expires.

    Raises NotFound, and WrongState for a session that has ended or names no store.
    """
    session = get_session(tx, account_id, user_key, session_key)
    if has_ended(session.status):
        raise WrongState("The session has ended.")
    if not session.store_id:
        raise WrongState(
            "The session names no store: it is not taken there.", reason="NOT_IN_STORE"
        )
    found = add_link(tx, session.id, redirect_url, token, None, now)
    expires_at: datetime = found.expires_at if found else compute_link_expiry(now)
    return expires_at

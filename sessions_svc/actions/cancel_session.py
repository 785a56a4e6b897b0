"""Cancels a session before its exam."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.actions.payments.refund_payment import return_payment
from sessions_svc.rules.statuses import Status
from sessions_svc.store.sessions import get_session, move_session


def cancel_session(
    tx: Connection,
    account_id: int,
    user_key: str,
    session_key: str,
    now: datetime,
    versions: Collection[int] | None = None,
) -> Row[Any]:
    """Move a session to cancelled, which sends no event; raise NotFound or WrongState.

    Only a session of one of the `versions` is cancelled.
    """
    session = get_session(tx, account_id, user_key, session_key)
    session = move_session(tx, session, Status.CANCELLED, now, versions=versions)
    return_payment(tx, session, now)
    return session

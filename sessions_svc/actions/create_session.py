"""Creates a session, and creates or updates its user."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import AlreadyExists, Fault, Forbidden
from sessions_svc.store.sessions import add_session

DUPLICATE_KEY = Fault("session_key", "Must be a key that none of your sessions has.")


def create_session(
    tx: Connection, account_id: int, values: Mapping[str, Any], now: datetime
) -> Row[Any]:
    """Store the session of a valid request; raise AlreadyExists for a session_key in use."""
    session = add_session(tx, account_id, values, now)
    if session is None:
        raise AlreadyExists("A session has this session_key.", faults=[DUPLICATE_KEY])
    return session


def refuse_disqualified(disqualifications: Collection[str]) -> None:
    """Raise Forbidden when there is a reason why the person does not qualify."""
    if disqualifications:
        raise Forbidden(
            "This person does not qualify for the service.",
            reason="DISQUALIFIED",
            metadata={"disqualifications": ",".join(disqualifications)},
        )

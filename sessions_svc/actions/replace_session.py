"""Replaces a session before its exam, and updates its user."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.actions.create_session import refuse_disqualified
from sessions_svc.store.sessions import get_session, replace_details
from sessions_svc.store.users import upsert_user


def replace_session(
    tx: Connection,
    account_id: int,
    values: Mapping[str, Any],
    disqualifications: Collection[str],
    now: datetime,
    versions: Collection[int] | None = None,
) -> Row[Any]:
    """Replace what a valid request names; raise NotFound, WrongState, Forbidden: in this order.

    WrongState is raised for a session of none of the `versions`, too.
    """
    session = get_session(tx, account_id, values["user_key"], values["session_key"])
    session = replace_details(tx, session, values, now, versions)
    refuse_disqualified(disqualifications)
    upsert_user(tx, account_id, values, now)
    return session

"""Invitations of dashboard users to set their password; of a token only the hash is stored."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select

from chassis.errors import NotFound
from chassis.server.accounts import hash_secret
from orders_svc.rules.credentials.passwords import INVITATION_LIFETIME
from orders_svc.store.access.logins import end_all_sessions
from orders_svc.store.access.users import NO_PASSWORD, update_user
from orders_svc.store.tables import invitations, users


def invite_user(tx: Connection, user_id: int, now: datetime) -> str:
    """Take a user's password away and return the token with which they set another one.

    Their sessions and earlier invitations end; a disabled user is enabled again.
    """
    end_all_sessions(tx, user_id)
    end_invitations(tx, user_id)
    update_user(tx, user_id, password_hash=NO_PASSWORD, invited_at=now, disabled_at=None)
    token = secrets.token_urlsafe(32)
    row = {
        "token_hash": hash_secret(token),
        "user_id": user_id,
        "expires_at": now + INVITATION_LIFETIME,
    }
    tx.execute(insert(invitations).values(row))
    return token


def get_invited_user(tx: Connection, token: str, now: datetime) -> Row[Any]:
    """Return the user of an invitation; raises NotFound for one that is used or has expired."""
    query = (
        select(users.c.id, users.c.email)
        .join(invitations, invitations.c.user_id == users.c.id)
        .where(_is_open(token, now))
    )
    user: Row[Any] = _require(tx.execute(query).first())
    return user


def use_invitation(tx: Connection, token: str, now: datetime) -> int:
    """Use an invitation up and return the id of its user; raises NotFound."""
    used = delete(invitations).where(_is_open(token, now)).returning(invitations.c.user_id)
    user_id: int = _require(tx.execute(used).first()).user_id
    return user_id


def _is_open(token: str, now: datetime) -> ColumnElement[bool]:
    return (invitations.c.token_hash == hash_secret(token)) & (invitations.c.expires_at > now)


def _require(row: Any) -> Any:
    """Return the row; raises NotFound where there is none."""
    if row is None:
        raise NotFound("This link is unknown, was used or has expired; ask for another one.")
    return row


def end_invitations(tx: Connection, user_id: int) -> None:
    """End every invitation of a user."""
    tx.execute(delete(invitations).where(invitations.c.user_id == user_id))


def disable_user(tx: Connection, user_id: int, now: datetime) -> None:
    """End a user's sessions and invitations, and let nobody act as this user."""
    end_all_sessions(tx, user_id)
    end_invitations(tx, user_id)
    update_user(tx, user_id, disabled_at=now)

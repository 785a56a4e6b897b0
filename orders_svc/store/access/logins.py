"""Dashboard sessions, and the counters of login attempts.

Attempts count by user and network address, so that a stranger cannot lock a user out, and by
network address. Those on a device or in a session of the user count by that alone.

Of tokens and addresses only hashes are stored. Everything is in the store, so that it holds for
every process of this service.
"""

import secrets
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, case, delete, insert, select, update

from chassis.context import Account
from chassis.server.accounts import hash_secret
from chassis.settings.roles import CLIENT
from chassis.store.database import upsert
from orders_svc.rules.dashboard import ATTEMPT_WINDOW, MAX_ATTEMPTS, SESSION_LIFETIME
from orders_svc.store.tables import accounts, dashboard_sessions, login_attempts, users

_FIND_USER: Any = (
    select(users.c.id, users.c.password_hash)
    .join(accounts.table, accounts.table.c.id == users.c.account_id)
    .where(
        users.c.email == bindparam("email"),
        users.c.disabled_at.is_(None),
        accounts.table.c.revoked_at.is_(None),
        accounts.table.c.role == CLIENT,
    )
)
_FIND_SESSION = (
    select(accounts.table.c.id, accounts.table.c.name, accounts.table.c.role, users.c.email)
    .join(users, users.c.account_id == accounts.table.c.id)
    .join(dashboard_sessions, dashboard_sessions.c.user_id == users.c.id)
    .where(
        dashboard_sessions.c.token_hash == bindparam("token_hash"),
        dashboard_sessions.c.expires_at > bindparam("now"),
        users.c.disabled_at.is_(None),
        accounts.table.c.revoked_at.is_(None),
    )
)


_IS_OVER = login_attempts.c.since <= bindparam("window_start")
# Adds an attempt to a counter, or restarts one whose window is over.
_COUNT: Any = upsert(
    login_attempts,
    lambda new: {
        "attempts": case((_IS_OVER, 1), else_=login_attempts.c.attempts + 1),
        "since": case((_IS_OVER, new.since), else_=login_attempts.c.since),
    },
).returning(login_attempts.c.attempts)


class SessionUser(NamedTuple):
    """A session's client, and the e-mail address of its user."""

    account: Account
    email: str


class Attempt(NamedTuple):
    """Who tries to log in, from where; and on which device or in which session of theirs."""

    email: str
    address: str
    trusted: str = ""

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """What the attempt counts for, each with the name of its limit; the widest first."""
        if self.trusted:
            return (("device", f"{self.trusted}\n{self.email}"),)
        return (("address", self.address), ("user", f"{self.address}\n{self.email}"))


def count_attempt(tx: Connection, attempt: Attempt, now: datetime) -> bool:
    """Count a login attempt; return whether it is within the limits.

    Attempts from a network address that is over its limit do not count for the user.
    """
    return all(
        tx.execute(
            _COUNT,
            {
                "key": _hash_key(kind, value),
                "attempts": 1,
                "since": now,
                "window_start": now - ATTEMPT_WINDOW,
            },
        ).scalar_one()
        <= MAX_ATTEMPTS[kind]
        for kind, value in attempt.keys
    )


def find_user(tx: Connection, email: str) -> Row[Any] | None:
    """Return id and password hash of the user with this e-mail address."""
    user: Row[Any] | None = tx.execute(_FIND_USER, {"email": email}).first()
    return user


def begin_session(
    tx: Connection, user_id: int, attempt: Attempt, replaces: str, now: datetime
) -> str:
    """Begin a session and return its token; uncount the attempt that led to it.

    Rows are locked in the order of `count_attempt`, so that two logins at once cannot deadlock.
    """
    key = login_attempts.c.key
    one_less = {"attempts": login_attempts.c.attempts - 1}
    *wider, narrowest = [_hash_key(kind, value) for kind, value in attempt.keys]
    if wider:
        tx.execute(update(login_attempts).where(key.in_(wider)).values(one_less))
    tx.execute(delete(login_attempts).where(key == narrowest))
    tx.execute(delete(login_attempts).where(login_attempts.c.since <= now - ATTEMPT_WINDOW))
    tx.execute(delete(dashboard_sessions).where(dashboard_sessions.c.expires_at <= now))
    if replaces:
        end_session(tx, replaces)
    token = secrets.token_urlsafe(32)
    row = {
        "token_hash": hash_secret(token),
        "user_id": user_id,
        "expires_at": now + SESSION_LIFETIME,
    }
    tx.execute(insert(dashboard_sessions), row)
    return token


def find_session(tx: Connection, token: str, now: datetime) -> SessionUser | None:
    """Return the user that the token of a live session stands for."""
    row = tx.execute(_FIND_SESSION, {"token_hash": hash_secret(token), "now": now}).first()
    return SessionUser(Account(row.id, row.name, row.role), row.email) if row else None


def end_session(tx: Connection, token: str) -> None:
    """End a session, if there is one."""
    with_token = dashboard_sessions.c.token_hash == hash_secret(token)
    tx.execute(delete(dashboard_sessions).where(with_token))


def end_all_sessions(tx: Connection, user_id: int) -> None:
    """End every session of a user."""
    tx.execute(delete(dashboard_sessions).where(dashboard_sessions.c.user_id == user_id))


def _hash_key(kind: str, value: str) -> str:
    return hash_secret(f"{kind}\n{value.lower()}")

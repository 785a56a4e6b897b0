"""Dashboard logins in the store: sessions, and attempts that are counted. No rule, no message.

Tokens and what attempts are counted by are kept as hashes only. All of it is in the store, so
that it holds for every process of this service.
"""

import secrets
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, case, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from chassis.context import Account
from chassis.errors import Unauthenticated
from chassis.server.accounts import CLIENT, hash_secret
from chassis.store.database import Database
from orders_svc.dashboard_rules import ATTEMPTS, SESSION_LIFE, WINDOW
from orders_svc.store import accounts_rows, dashboard_sessions, login_attempts, users

_USER: Any = (
    select(users.c.id, users.c.password_hash)
    .join(accounts_rows, accounts_rows.c.id == users.c.account_id)
    .where(
        users.c.email == bindparam("email"),
        accounts_rows.c.revoked_at.is_(None),
        accounts_rows.c.role == CLIENT,
    )
)
_SESSION = (
    select(accounts_rows.c.id, accounts_rows.c.name, accounts_rows.c.role, users.c.email)
    .join(users, users.c.account_id == accounts_rows.c.id)
    .join(dashboard_sessions, dashboard_sessions.c.user_id == users.c.id)
    .where(
        dashboard_sessions.c.token_hash == bindparam("token_hash"),
        dashboard_sessions.c.expires_at > bindparam("now"),
        accounts_rows.c.revoked_at.is_(None),
    )
)


def _count(dialect: Any) -> Any:
    """One more attempt by a key; a window that is over begins anew."""
    attempt = dialect.insert(login_attempts)
    over = login_attempts.c.since <= bindparam("before")
    return attempt.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "attempts": case((over, 1), else_=login_attempts.c.attempts + 1),
            "since": case((over, attempt.excluded.since), else_=login_attempts.c.since),
        },
    ).returning(login_attempts.c.attempts)


_COUNT = {"sqlite": _count(sqlite), "postgresql": _count(postgresql)}


class Caller(NamedTuple):
    """Who a session stands for: a client, and the e-mail address of its user."""

    account: Account
    email: str


def may_try(tx: Connection, email: str, address: str, now: datetime) -> bool:
    """Count an attempt, and tell whether there were few enough.

    An address of the network that is over its limit does not count for the e-mail address.
    """
    return all(
        tx.execute(
            _COUNT[tx.dialect.name],
            {"key": _key(kind, of), "attempts": 1, "since": now, "before": now - WINDOW},
        ).scalar_one()
        <= ATTEMPTS[kind]
        for kind, of in (("address", address), ("email", email))
    )


def user(tx: Connection, email: str) -> Row[Any] | None:
    """Id and password hash of the user with this e-mail address."""
    found: Row[Any] | None = tx.execute(_USER, {"email": email}).first()
    return found


def begin(
    tx: Connection, user_id: int, email: str, address: str, replaces: str, now: datetime
) -> str:
    """Begin a session and give its token; the attempt that led to it counts no more.

    The rows are taken in the order of `may_try`: two logins at once do not wait for each other.
    """
    key = login_attempts.c.key
    taken_back = {"attempts": login_attempts.c.attempts - 1}
    tx.execute(update(login_attempts).where(key == _key("address", address)).values(taken_back))
    tx.execute(delete(login_attempts).where(key == _key("email", email)))
    tx.execute(delete(login_attempts).where(login_attempts.c.since <= now - WINDOW))
    tx.execute(delete(dashboard_sessions).where(dashboard_sessions.c.expires_at <= now))
    if replaces:
        end(tx, replaces)
    token = secrets.token_urlsafe(32)
    row = {"token_hash": hash_secret(token), "user_id": user_id, "expires_at": now + SESSION_LIFE}
    tx.execute(insert(dashboard_sessions), row)
    return token


def caller_of(database: Database, token: str, now: datetime) -> Caller:
    """Who the token of a session stands for; raises Unauthenticated."""
    with database.read() as tx:
        row = tx.execute(_SESSION, {"token_hash": hash_secret(token), "now": now}).first()
    if row is None:
        raise Unauthenticated("The session is over; log in again.")
    return Caller(Account(row.id, row.name, row.role), row.email)


def end(tx: Connection, token: str) -> None:
    """End a session, if there is one."""
    this = dashboard_sessions.c.token_hash == hash_secret(token)
    tx.execute(delete(dashboard_sessions).where(this))


def end_all(tx: Connection, user_id: int) -> None:
    """End every session of a user."""
    tx.execute(delete(dashboard_sessions).where(dashboard_sessions.c.user_id == user_id))


def _key(kind: str, of: str) -> str:
    return hash_secret(f"{kind}\n{of.lower()}")

"""Queries on links, and on the exams that they open.

A link is one row for its whole life. Using it sets `exam_hash`, in one statement
whose condition is that it is not set yet.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, select, update

from chassis.context import note_ids
from chassis.errors import NotFound, WrongState
from chassis.server.accounts import hash_secret
from chassis.store.database import add_if_absent
from sessions_svc.rules.links import compute_exam_expiry, compute_link_expiry
from sessions_svc.rules.statuses import has_ended
from sessions_svc.store.personal import LINKS, SESSIONS, USERS
from sessions_svc.store.sessions import LISTED_COLUMNS
from sessions_svc.store.tables import accounts, links, partners, sessions, stores, users

# How long after its end a link is distinguishable from an unknown one.
RETENTION_TIME = timedelta(days=1)
UNKNOWN_LINK = "No link has this token and these keys."
CLOSED_LINK = "This link has been used, or is too old, or its session has ended."

_FIND_DUPLICATE = select(links.c.fingerprint, links.c.expires_at).where(
    links.c.token_hash == bindparam("token_hash")
)
_DELETE_EXPIRED = delete(links).where(
    links.c.session_id == bindparam("session_id"),
    links.c.expires_at < bindparam("expires_at"),
    links.c.exam_expires_at.is_(None) | (links.c.exam_expires_at < bindparam("exam_expires_at")),
)
_COMMON_COLUMNS: tuple[Any, ...] = (
    *LISTED_COLUMNS,
    sessions.c.account_id,
    sessions.c.is_acuity,
    sessions.c.products,
    sessions.c.chosen_product,
    sessions.c.store_id,
    stores.c.name.label("store_name"),
    partners.c.language,
    partners.c.prices,
    sessions.c.charged_amount,
    sessions.c.price_currency,
    sessions.c.price_amount,
    sessions.c.paid_at,
    links.c.exam_hash,
    links.c.exam_expires_at,
)
_STORE = (
    stores,
    (stores.c.account_id == sessions.c.account_id) & (stores.c.id == sessions.c.store_id),
)
_PARTNER = (partners, partners.c.account_id == sessions.c.account_id)
_LINK: Select[Any] = (
    select(*_COMMON_COLUMNS, users.c.first_name, users.c.last_name, links.c.expires_at)
    .join_from(links, sessions)
    .join(users)
    .outerjoin(*_STORE)
    .outerjoin(*_PARTNER)
    .where(links.c.token_hash == bindparam("token_hash"))
)
_EXAM: Select[Any] = (
    select(
        *_COMMON_COLUMNS,
        sessions.c.missing_requirements,
        sessions.c.visual_acuity,
        sessions.c.eye_health,
        accounts.table.c.name.label("partner"),
        links.c.token_hash,
        links.c.redirect_url,
    )
    .join_from(links, sessions)
    .join(accounts.table, accounts.table.c.id == sessions.c.account_id)
    .outerjoin(*_STORE)
    .outerjoin(*_PARTNER)
    .where(links.c.exam_hash == bindparam("exam_hash"))
)
_LOCKED_LINK, _LOCKED_EXAM = (each.with_for_update(of=[links, sessions]) for each in (_LINK, _EXAM))
_USE = (
    update(links)
    .where(
        links.c.token_hash == bindparam("where_token_hash"),
        links.c.exam_hash.is_(None),
        links.c.expires_at > bindparam("where_expires_at"),
    )
    .values(exam_hash=bindparam("exam_hash"), exam_expires_at=bindparam("exam_expires_at"))
    .execution_options(preserve_rowcount=True)
)


def add_link(
    tx: Connection,
    session_id: int,
    redirect_url: str | None,
    token: str,
    fingerprint: bytes | None,
    now: datetime,
) -> Row[Any, Any] | None:
    """Store a link with its secret token; return the existing link of this token, if any.

    Deletes the links of the session that have expired.
    """
    cutoff = now - RETENTION_TIME
    expired = {"session_id": session_id, "expires_at": cutoff, "exam_expires_at": cutoff}
    tx.execute(_DELETE_EXPIRED, expired)
    row = {
        "token_hash": hash_secret(token),
        "session_id": session_id,
        "redirect_url": redirect_url,
        "fingerprint": fingerprint,
        "expires_at": compute_link_expiry(now),
    }
    if add_if_absent(tx, links, LINKS.seal(tx, row)):
        return None
    found = tx.execute(_FIND_DUPLICATE, {"token_hash": row["token_hash"]}).one()
    return LINKS.open(tx, found, row)


def get_link(
    tx: Connection, user_key: str, session_key: str, token: str, *, lock: bool = False
) -> Row[Any]:
    """Return a link, used or not, with its session and user; raise NotFound.

    With `lock`, nobody else changes the link or the session before the transaction ends.
    """
    query = _LOCKED_LINK if lock else _LINK
    link = tx.execute(query, {"token_hash": hash_secret(token)}).first()
    if link is None or (link.user_key, link.session_key) != (user_key, session_key):
        raise NotFound(UNKNOWN_LINK)
    note_ids(user_key, session_key)
    return USERS.open(tx, link)


def get_open_link(
    tx: Connection, user_key: str, session_key: str, token: str, now: datetime
) -> Row[Any]:
    """Return a link that can still be used, as `get_link` does; raise NotFound or WrongState."""
    link = get_link(tx, user_key, session_key, token)
    if link.exam_hash is not None or link.expires_at <= now or has_ended(link.status):
        raise WrongState(CLOSED_LINK)
    return link


def use_link(tx: Connection, token: str, exam_token: str, now: datetime) -> bool:
    """Use a link and open an exam with this token; return whether the link could be used."""
    row = {
        "where_token_hash": hash_secret(token),
        "where_expires_at": now,
        "exam_hash": hash_secret(exam_token),
        "exam_expires_at": compute_exam_expiry(now),
    }
    return tx.execute(_USE, row).rowcount == 1


def find_exam(tx: Connection, exam_token: str, *, lock: bool = False) -> Row[Any] | None:
    """Return the exam that has this token, with its session and partner; `lock` as `get_link`."""
    query = _LOCKED_EXAM if lock else _EXAM
    exam = tx.execute(query, {"exam_hash": hash_secret(exam_token)}).first()
    if exam is None:
        return None
    note_ids(exam.user_key, exam.session_key)
    return SESSIONS.open(tx, LINKS.open(tx, exam))


def get_open_exam(
    tx: Connection, exam_token: str, now: datetime, *, lock: bool = False
) -> Row[Any]:
    """Return an exam whose token has not expired; raise NotFound or WrongState."""
    exam = find_exam(tx, exam_token, lock=lock)
    if exam is None:
        raise NotFound(UNKNOWN_LINK)
    if exam.exam_expires_at <= now:
        raise WrongState(CLOSED_LINK)
    return exam

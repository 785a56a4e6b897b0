"""Links into an exam, and what they open: of both secrets only the SHA-256 is kept.

A link is one row for its whole life. Using it up is filling in `exam_hash`, by
one statement that asks whether it is still empty.
"""

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    bindparam,
    delete,
    select,
    update,
)

from chassis.server.accounts import hash_secret
from chassis.store.database import Instant, add_if_absent
from sessions_svc.rules.links import LONGEST
from sessions_svc.store.tables import SHOWN, accounts, metadata, sessions, users

LIFE = timedelta(minutes=5)
EXAM_LIFE = timedelta(hours=4)
KEPT = timedelta(days=1)  # after its end, so that an old link can be told from a wrong one

links = Table(
    "links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False, index=True),
    Column("redirect_url", String(LONGEST)),
    Column("fingerprint", LargeBinary),  # of the request, if it had an idempotency key
    Column("expires_at", Instant(), nullable=False),
    Column("exam_hash", String(64), unique=True),  # filled in: the link has been used
    Column("exam_expires_at", Instant()),
)

_KEPT = select(links.c.fingerprint, links.c.expires_at).where(
    links.c.token_hash == bindparam("hash")
)
_FORGET = delete(links).where(
    links.c.session_id == bindparam("of"),
    links.c.expires_at < bindparam("before"),
    links.c.exam_expires_at.is_(None) | (links.c.exam_expires_at < bindparam("before")),
)
_SEEN: tuple[Any, ...] = (
    *SHOWN,
    sessions.c.account_id,
    sessions.c.is_acuity,
    sessions.c.products,
    links.c.exam_hash,
    links.c.exam_expires_at,
)
_AT_THE_DOOR = (*_SEEN, users.c.first_name, users.c.last_name, links.c.expires_at)
_IN_THE_EXAM = (
    *_SEEN,
    sessions.c.missing_requirements,
    sessions.c.visual_acuity,
    accounts.table.c.name.label("partner"),
    links.c.redirect_url,
)
_DOOR: Select[Any] = (
    select(*_AT_THE_DOOR)
    .join_from(links, sessions)
    .join(users)
    .where(links.c.token_hash == bindparam("hash"))
)
_EXAM: Select[Any] = (
    select(*_IN_THE_EXAM)
    .join_from(links, sessions)
    .join(accounts.table, accounts.table.c.id == sessions.c.account_id)
    .where(links.c.exam_hash == bindparam("hash"))
)
_DOOR_HELD, _EXAM_HELD = (each.with_for_update(of=[links, sessions]) for each in (_DOOR, _EXAM))
_USE = (
    update(links)
    .where(
        links.c.token_hash == bindparam("hash"),
        links.c.exam_hash.is_(None),
        links.c.expires_at > bindparam("now"),
    )
    .values(exam_hash=bindparam("opened"), exam_expires_at=bindparam("until"))
    .execution_options(preserve_rowcount=True)
)


def add(
    tx: Connection,
    session_id: int,
    redirect_url: str | None,
    token: str,
    fingerprint: bytes,
    now: datetime,
) -> Row[Any, Any] | None:
    """Keep a link by its secret; gives the one that this secret has already, if it has."""
    tx.execute(_FORGET, {"of": session_id, "before": now - KEPT})
    row = {
        "token_hash": hash_secret(token),
        "session_id": session_id,
        "redirect_url": redirect_url,
        "fingerprint": fingerprint,
        "expires_at": expiry(now),
    }
    if add_if_absent(tx, links, row):
        return None
    return tx.execute(_KEPT, {"hash": row["token_hash"]}).one()


def expiry(now: datetime) -> datetime:
    """Until when a link that is made now is good."""
    return now.replace(microsecond=0) + LIFE


def find(tx: Connection, token: str, *, hold: bool = False) -> Row[Any] | None:
    """The link with this secret, used or not, with its session and user.

    With `hold` nobody else changes link or session before the transaction ends.
    """
    return tx.execute(_DOOR_HELD if hold else _DOOR, {"hash": hash_secret(token)}).first()


def use(tx: Connection, token: str, exam_token: str, now: datetime) -> bool:
    """Use up a link that is good, and open an exam by its token; gives whether it was good."""
    row = {
        "hash": hash_secret(token),
        "opened": hash_secret(exam_token),
        "until": now.replace(microsecond=0) + EXAM_LIFE,
        "now": now,
    }
    return tx.execute(_USE, row).rowcount == 1


def exam_of(tx: Connection, token: str, *, hold: bool = False) -> Row[Any] | None:
    """The exam that a token has opened, with its session and partner; `hold` as for `find`."""
    return tx.execute(_EXAM_HELD if hold else _EXAM, {"hash": hash_secret(token)}).first()


def exam_token(token: str, visit: str) -> str:
    """The token of the exam that this visit opens with this link.

    It follows from two secrets that nobody but the visitor has together: so a
    visit that repeats itself gets the same token, though only a hash of it is kept.
    """
    digest = hashlib.sha256(f"exam {token} {visit}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")

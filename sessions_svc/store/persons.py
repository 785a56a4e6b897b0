"""What is kept of a user: found by e-mail address or user key, read, and blanked.

Blanking keeps sessions with their keys, statuses, products and money, and dispensed prescriptions
with their types and dates; it removes the user's details, partner_info, prescriptions, results,
powers, files and links. A user whose sessions are not all blanked keeps their details.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    exists,
    null,
    select,
    tuple_,
    update,
)

from chassis.errors import Fault, Invalid
from chassis.persons import (
    EMAIL,
    PERSON_REF,
    SCAN_BATCH,
    USER_KEY,
    build_matcher,
    ensure_one_owner,
)
from chassis.store.encryption.columns import Personal
from sessions_svc.rules.persons import BLANK_ACUITY
from sessions_svc.rules.statuses import Status, has_ended
from sessions_svc.store.personal import DISPENSED, SESSIONS, USERS
from sessions_svc.store.tables import (
    accounts,
    assets,
    charges,
    dispensed_prescriptions,
    links,
    sessions,
    users,
)

KINDS = (EMAIL, USER_KEY, PERSON_REF)
BLANK_USER = {
    "email": "",
    "first_name": "",
    "last_name": "",
    "birthdate": date.min,
    "region": "",
    "person_ref": None,
}
BLANK_SESSION: dict[str, Any] = {
    "partner_info": None,
    "prescriptions": [],
    "missing_requirements": None,
    "verifications": None,
    "eye_health": None,
    "payment_reference": None,
}
_PARTNER = accounts.table.c.name
_USER_KEYS = (users.c.account_id, users.c.user_key)
_SCAN = (
    select(*_USER_KEYS, users.c.email, _PARTNER)
    .join(accounts.table, accounts.table.c.id == users.c.account_id)
    .order_by(*_USER_KEYS)
    .limit(SCAN_BATCH)
)
_BY_KEY = (
    select(*_USER_KEYS, _PARTNER)
    .join(accounts.table, accounts.table.c.id == users.c.account_id)
    .where(users.c.user_key == bindparam("user_key"))
)
_BY_REF = (
    select(*_USER_KEYS, _PARTNER)
    .join(accounts.table, accounts.table.c.id == users.c.account_id)
    .where(users.c.person_ref == bindparam("person_ref"))
)
_IS_USERS = (sessions.c.account_id == users.c.account_id, sessions.c.user_key == users.c.user_key)
_IS_ONE = sessions.c.id.in_(bindparam("ids", expanding=True))
_SESSION_KEYS = select(sessions.c.id, sessions.c.account_id, sessions.c.session_key).where(_IS_ONE)
_READ = (
    select(
        sessions, *users.c["email", "first_name", "last_name", "birthdate", "region", "person_ref"]
    )
    .add_columns(_PARTNER.label("partner"))
    .join_from(sessions, users)
    .join(accounts.table, accounts.table.c.id == sessions.c.account_id)
    .where(_IS_ONE)
    .order_by(sessions.c.id)
)
_ENDED = [status.value for status in Status if has_ended(status)]
_OLD = (
    select(sessions.c.id)
    .where(
        sessions.c.id > bindparam("after"),
        sessions.c.status.in_(_ENDED),
        sessions.c.updated_at <= bindparam("before"),
        sessions.c.erased_at.is_(None),
    )
    .order_by(sessions.c.id)
)


def find_sessions_of_person(
    tx: Connection, kind: str, value: str, partner: str | None
) -> list[str]:
    """Return the ids of a user's sessions; raises Invalid for a user key of several partners."""
    if kind == USER_KEY:
        found = list(tx.execute(_BY_KEY, {"user_key": value}))
        found = [row for row in found if partner in (None, row.name)]
        if len(found) > 1:
            names = ", ".join(sorted(row.name for row in found))
            fault = Fault(USER_KEY, f"Several partners use it: name one of {names}.")
            raise Invalid("The user key is not of one person.", faults=[fault])
    elif kind == PERSON_REF:
        found = list(tx.execute(_BY_REF, {"person_ref": value}))
        found = [row for row in found if partner in (None, row.name)]
        ensure_one_owner(PERSON_REF, (row.name for row in found))
    else:
        found = _scan_users(tx, kind, value, partner)
    return [
        str(id_)
        for user in found
        for id_ in tx.execute(
            select(sessions.c.id)
            .where(sessions.c.account_id == user.account_id, sessions.c.user_key == user.user_key)
            .order_by(sessions.c.id)
        ).scalars()
    ]


def _scan_users(tx: Connection, kind: str, value: str, partner: str | None) -> list[Any]:
    matches, found = build_matcher(kind, value), list[Any]()
    query = _SCAN
    while rows := tx.execute(query).all():
        opened = USERS.open_all(tx, rows)
        found += [row for row in opened if matches(row.email) and partner in (None, row.name)]
        last = (rows[-1].account_id, rows[-1].user_key)
        query = _SCAN.where(tuple_(*_USER_KEYS) > last)
    return found


def read_sessions(tx: Connection, ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return all columns of sessions, with the details of their users and their partners."""
    rows = USERS.open_all(tx, SESSIONS.open_all(tx, tx.execute(_READ, _bind(ids))))
    return [dict(row._mapping) for row in rows]


def list_open_sessions(tx: Connection, ids: Sequence[str]) -> list[int]:
    """Return those that have not ended."""
    query = select(sessions.c.id).where(_IS_ONE, sessions.c.status.not_in(_ENDED))
    return list(tx.execute(query, _bind(ids)).scalars())


def blank_sessions(tx: Connection, ids: Sequence[str], now: datetime) -> None:
    """Blank the personal fields of sessions, and of users who have no other session."""
    key = _bind(ids)
    blank = {**BLANK_SESSION, "erased_at": now}
    _write_all(tx, SESSIONS, tx.execute(_SESSION_KEYS, key), blank)
    has_results = sessions.c.visual_acuity.is_not(null())
    tested = tx.execute(_SESSION_KEYS.where(has_results), key)
    _write_all(tx, SESSIONS, tested, {"visual_acuity": BLANK_ACUITY})
    is_dispensed = dispensed_prescriptions.c.session_id.in_(bindparam("ids", expanding=True))
    of_sessions = select(dispensed_prescriptions.c.id).where(is_dispensed)
    tx.execute(delete(assets).where(assets.c.prescription_id.in_(of_sessions)), key)
    _write_all(tx, DISPENSED, tx.execute(of_sessions, key), {"eyes": {}})
    charges.erase(tx, ids)
    has_link = links.c.session_id.in_(bindparam("ids", expanding=True))
    tx.execute(delete(links).where(has_link), key)
    kept = exists().where(*_IS_USERS, sessions.c.erased_at.is_(None))
    blanked = exists().where(*_IS_USERS, _IS_ONE)
    chosen = tx.execute(select(*_USER_KEYS).where(blanked, ~kept), key)
    _write_all(tx, USERS, chosen, {**BLANK_USER, "updated_at": now})


def _write_all(
    tx: Connection, personal: Personal, rows: Iterable[Any], values: dict[str, Any]
) -> None:
    """Write the same values to rows that are named by their keys; sealed, each in its place."""
    table = personal.table
    changes = [
        {
            **personal.seal(tx, values, row._mapping),
            **{f"where_{each.name}": row._mapping[each.name] for each in table.primary_key},
        }
        for row in rows
    ]
    if changes:
        is_one = (each == bindparam(f"where_{each.name}") for each in table.primary_key)
        tx.execute(update(table).where(*is_one), changes)


def find_old_sessions(tx: Connection, before: datetime, after: str, limit: int) -> list[str]:
    """Return sessions that ended before a moment, by id."""
    key = {"after": int(after or 0), "before": before}
    return list(map(str, tx.execute(_OLD.limit(limit), key).scalars()))


def _bind(ids: Sequence[str]) -> dict[str, list[int]]:
    return {"ids": [int(id_) for id_ in ids]}

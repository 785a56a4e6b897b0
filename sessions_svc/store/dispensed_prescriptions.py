"""Queries on dispensed prescriptions and their files."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from chassis.context import note_ids
from chassis.errors import NotFound
from chassis.store.encryption.columns import Personal, find_keyring
from sessions_svc.rules.prescriptions import EYES
from sessions_svc.rules.statuses import Status
from sessions_svc.store.personal import ASSETS, DISPENSED, USERS
from sessions_svc.store.tables import assets, dispensed_prescriptions, sessions, users

MAX_DIGITS = 18  # what a 64-bit id holds for certain
_ADD = {each: insert(each.table).returning(each.table.c.id) for each in (DISPENSED, ASSETS)}
_ADD_ASSETS = insert(assets)
# What a row holds before its contents are sealed.
_BLANKS: dict[Personal, dict[str, Any]] = {
    DISPENSED: {"issue_date": date.min, "expiration_date": date.min, "eyes": {}},
    ASSETS: {"source": b""},
}
_LIST = (
    select(dispensed_prescriptions)
    .where(dispensed_prescriptions.c.session_id == bindparam("session_id"))
    .order_by(dispensed_prescriptions.c.id)
)
_LIST_OF_SESSIONS = (
    select(dispensed_prescriptions)
    .where(dispensed_prescriptions.c.session_id.in_(bindparam("session_ids", expanding=True)))
    .order_by(dispensed_prescriptions.c.id)
)
_FIND = (
    select(dispensed_prescriptions, users.c.user_key, users.c.first_name, users.c.last_name)
    .join(sessions, sessions.c.id == dispensed_prescriptions.c.session_id)
    .join(
        users,
        (users.c.account_id == sessions.c.account_id) & (users.c.user_key == sessions.c.user_key),
    )
    .where(
        dispensed_prescriptions.c.id == bindparam("prescription_id"),
        sessions.c.account_id == bindparam("account_id"),
        sessions.c.status == Status.APPROVED.value,
        sessions.c.erased_at.is_(None),
    )
)
_LIST_ASSETS = (
    select(assets)
    .join(dispensed_prescriptions)
    .where(dispensed_prescriptions.c.session_id == bindparam("session_id"))
    .order_by(assets.c.id)
)


def add_dispensed_prescriptions(
    tx: Connection, session_id: int, prescriptions: Sequence[Mapping[str, Any]]
) -> None:
    """Store the prescriptions of a valid request, in its order."""
    files = []
    for each in prescriptions:
        row = {
            "session_id": session_id,
            "type": each["type"],
            "issue_date": date.fromisoformat(each["issue_date"]),
            "expiration_date": date.fromisoformat(each["expiration_date"]),
            "eyes": {name: each[name] for name in EYES if each.get(name)},
        }
        prescription_id = _add(tx, DISPENSED, row)
        files += [{"prescription_id": prescription_id, **asset} for asset in each["assets"]]
    if files and find_keyring(tx) is None:
        tx.execute(_ADD_ASSETS, files)
        return
    for file in files:
        _add(tx, ASSETS, file)


def _add(tx: Connection, personal: Personal, row: dict[str, Any]) -> int:
    """Insert a row and return its id, with which its contents are sealed, once it is known."""
    if find_keyring(tx) is None:
        added: int = tx.execute(_ADD[personal], row).scalar_one()
        return added
    table = personal.table
    added = tx.execute(_ADD[personal], {**row, **_BLANKS[personal]}).scalar_one()
    contents = personal.seal(tx, {name: row[name] for name in personal.columns}, {"id": added})
    tx.execute(update(table).where(table.c.id == added).values(contents))
    return added


def list_dispensed_prescriptions(
    tx: Connection, session_id: int
) -> tuple[Sequence[Row[Any]], dict[int, list[Row[Any]]]]:
    """Return the prescriptions of a session, and the files of each by its id."""
    found = tx.execute(_LIST, {"session_id": session_id}).all()
    prescriptions = DISPENSED.open_all(tx, found)
    files: dict[int, list[Row[Any]]] = {row.id: [] for row in prescriptions}
    for asset in tx.execute(_LIST_ASSETS, {"session_id": session_id}):
        files[asset.prescription_id].append(ASSETS.open(tx, asset))
    return prescriptions, files


def list_prescriptions_of_sessions(
    tx: Connection, session_ids: Sequence[int]
) -> dict[int, list[Row[Any]]]:
    """Return the prescriptions of each of the sessions, without their files."""
    found: dict[int, list[Row[Any]]] = {each: [] for each in session_ids}
    if found:
        rows = tx.execute(_LIST_OF_SESSIONS, {"session_ids": list(found)}).all()
        for row in DISPENSED.open_all(tx, rows):
            found[row.session_id].append(row)
    return found


def get_dispensed_prescription(tx: Connection, account_id: int, text: str) -> Row[Any]:
    """Return a prescription of a partner's, by its id in digits, with its user; raise NotFound."""
    row = None
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        key = {"prescription_id": int(text), "account_id": account_id}
        note_ids(text)
        row = tx.execute(_FIND, key).first()
    if row is None:
        raise NotFound("You have no such dispensed prescription.")
    user = {"account_id": account_id, "user_key": row.user_key}
    return USERS.open(tx, DISPENSED.open(tx, row), user)

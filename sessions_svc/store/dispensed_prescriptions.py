"""Queries on dispensed prescriptions and their files."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select

from chassis.context import note_ids
from chassis.errors import NotFound
from sessions_svc.rules.prescriptions import EYES
from sessions_svc.rules.statuses import Status
from sessions_svc.store.tables import assets, dispensed_prescriptions, sessions, users

MAX_DIGITS = 18  # what a 64-bit id holds for certain
_ADD = insert(dispensed_prescriptions).returning(dispensed_prescriptions.c.id)
_ADD_ASSETS = insert(assets)
_LIST = (
    select(dispensed_prescriptions)
    .where(dispensed_prescriptions.c.session_id == bindparam("session_id"))
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
        prescription_id = tx.execute(_ADD, row).scalar_one()
        files += [{"prescription_id": prescription_id, **asset} for asset in each["assets"]]
    if files:
        tx.execute(_ADD_ASSETS, files)


def list_dispensed_prescriptions(
    tx: Connection, session_id: int
) -> tuple[Sequence[Row[Any]], dict[int, list[Row[Any]]]]:
    """Return the prescriptions of a session, and the files of each by its id."""
    prescriptions = tx.execute(_LIST, {"session_id": session_id}).all()
    files: dict[int, list[Row[Any]]] = {row.id: [] for row in prescriptions}
    for asset in tx.execute(_LIST_ASSETS, {"session_id": session_id}):
        files[asset.prescription_id].append(asset)
    return prescriptions, files


def get_dispensed_prescription(tx: Connection, account_id: int, text: str) -> Row[Any]:
    """Return a prescription of a partner's, by its id in digits, with its user; raise NotFound."""
    row = None
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        key = {"prescription_id": int(text), "account_id": account_id}
        note_ids(text)
        row = tx.execute(_FIND, key).first()
    if row is None:
        raise NotFound("You have no such dispensed prescription.")
    return row

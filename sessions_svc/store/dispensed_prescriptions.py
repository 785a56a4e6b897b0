"""What doctors have dispensed: prescriptions and their files. No rule and no message."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select

from sessions_svc.rules.prescriptions import EYES
from sessions_svc.store.tables import assets, dispensed_prescriptions

_ADD = insert(dispensed_prescriptions).returning(dispensed_prescriptions.c.id)
_ADD_ASSETS = insert(assets)
_OF_SESSION = (
    select(dispensed_prescriptions)
    .where(dispensed_prescriptions.c.session_id == bindparam("session_id"))
    .order_by(dispensed_prescriptions.c.id)
)
_ASSETS = (
    select(assets)
    .join(dispensed_prescriptions)
    .where(dispensed_prescriptions.c.session_id == bindparam("session_id"))
    .order_by(assets.c.id)
)


def add(tx: Connection, session_id: int, prescriptions: Sequence[Mapping[str, Any]]) -> None:
    """Keep the prescriptions of a valid request, in its order."""
    files = []
    for each in prescriptions:
        row = {
            "session_id": session_id,
            "type": each["type"],
            "issue_date": date.fromisoformat(each["issue_date"]),
            "expiration_date": date.fromisoformat(each["expiration_date"]),
            "eyes": {name: each[name] for name in EYES if each.get(name)},
        }
        added = tx.execute(_ADD, row).scalar_one()
        files += [{"prescription_id": added, **asset} for asset in each["assets"]]
    if files:
        tx.execute(_ADD_ASSETS, files)


def of_session(
    tx: Connection, session_id: int
) -> tuple[Sequence[Row[Any]], dict[int, list[Row[Any]]]]:
    """A session's prescriptions, and the files of each by its id."""
    found = tx.execute(_OF_SESSION, {"session_id": session_id}).all()
    files: dict[int, list[Row[Any]]] = {row.id: [] for row in found}
    for asset in tx.execute(_ASSETS, {"session_id": session_id}):
        files[asset.prescription_id].append(asset)
    return found, files

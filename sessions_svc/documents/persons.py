"""What is kept of a user, as JSON."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from chassis.context import note_ids
from sessions_svc.store.dispensed_prescriptions import list_dispensed_prescriptions
from sessions_svc.store.persons import read_sessions
from sessions_svc.store.tables import outbox


def export_person(tx: Connection, ids: Sequence[str]) -> dict[str, Any]:
    """Return a user's sessions with their details, what was dispensed, and their events."""
    rows = read_sessions(tx, ids)
    for row in rows:
        note_ids(row["user_key"], row["session_key"])
    return {
        "sessions": [_describe_session(tx, row) for row in rows],
        "events": outbox.list_bodies(tx, [row["session_key"] for row in rows]),
    }


def _describe_session(tx: Connection, row: Any) -> dict[str, Any]:
    dispensed, files = list_dispensed_prescriptions(tx, row["id"])
    described = {name: value for name, value in row.items() if name not in ("id", "account_id")}
    described["dispensed_prescriptions"] = [
        {
            **each._mapping,
            "assets": [
                {"content_type": file.content_type, "source": file.source}
                for file in files[each.id]
            ],
        }
        for each in dispensed
    ]
    return described

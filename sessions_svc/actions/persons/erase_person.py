"""Erases what is kept of a user."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from chassis.context import note_ids
from chassis.errors import WrongState
from sessions_svc.store.persons import blank_sessions, list_open_sessions, read_sessions
from sessions_svc.store.tables import idempotency_keys, outbox

# What kept answers no longer say of an erased session.
PERSONAL_FIELDS = ("data",)


def erase_person(tx: Connection, ids: Sequence[str], now: datetime, open_too: bool) -> None:
    """Erase sessions; raise WrongState if one has not ended, unless `open_too`."""
    if not open_too and (waiting := list_open_sessions(tx, ids)):
        raise WrongState(
            f"{len(waiting)} of {len(ids)} sessions have not ended: end them first, or erase them"
            " too (include_open).",
            reason="OPEN",
        )
    keys = erase_ended(tx, ids, now)
    idempotency_keys.blank_answers(tx, keys, PERSONAL_FIELDS)


def erase_ended(tx: Connection, ids: Sequence[str], now: datetime) -> list[str]:
    """Erase sessions that are in no kept answer; return their keys.

    Their events are deleted: some hold prescriptions and results.
    """
    rows = read_sessions(tx, ids)
    for row in rows:
        note_ids(row["user_key"], row["session_key"])
        outbox.delete_stream(tx, row["partner"], row["session_key"])
    blank_sessions(tx, ids, now)
    return [row["session_key"] for row in rows]

"""What staff see of events, the same in each service: all but the bodies."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range
from sqlalchemy import Connection, Row

from chassis.context import note_ids
from chassis.events.outbox import Outbox
from chassis.events.states import PENDING, STATES
from chassis.validation import Rules

DEFAULT_LIMIT, MAX_LIMIT = 50, 100
MAX_OWNER_LENGTH, MAX_ID_LENGTH = 255, 64  # of the columns


def _check_filled(text: str) -> None:
    if not text or text.isspace():
        raise ValidationError("Must not be blank.")


class ListEventsSchema(Schema):
    """Whose events, in which state."""

    owner = fields.String(
        validate=Length(max=MAX_OWNER_LENGTH, error="Must be at most {max} characters.")
    )
    state = fields.String(validate=OneOf(STATES, error="Must be one of: {choices}."))
    limit = fields.Integer(
        strict=True,
        load_default=DEFAULT_LIMIT,
        validate=Range(1, MAX_LIMIT, error="Must be from {min} to {max}."),
    )


class ReplayEventSchema(Schema):
    """Which event."""

    event_id = fields.String(
        required=True,
        validate=[
            _check_filled,
            Length(max=MAX_ID_LENGTH, error="Must be at most {max} characters."),
        ],
    )


LIST_EVENTS = Rules(ListEventsSchema())
REPLAY_EVENT = Rules(ReplayEventSchema())


def list_events(
    tx: Connection, outbox: Outbox, limit: int, owner: str | None = None, state: str | None = None
) -> dict[str, Any]:
    """Return the newest events, and the owner's endpoint, if it has one, as fields of a message."""
    found: dict[str, Any] = {}
    if owner and (endpoint := outbox.endpoints.find(tx, owner)):
        found["endpoint_url"] = urlsplit(endpoint.url)._replace(query="").geturl()
        found["endpoint_disabled"] = _to_unix(endpoint.disabled_at)
    rows = outbox.find(tx, limit, owner=owner, state=state)
    note_ids(*(row.stream for row in rows))
    return {**found, "data": [describe_event(row) for row in rows]}


def replay_event(tx: Connection, outbox: Outbox, event_id: str, now: datetime) -> Row[Any]:
    """Make an event due, and return its row; raises NotFound, or WrongState without an endpoint."""
    outbox.replay(tx, event_id, now)
    row = outbox.get(tx, event_id)
    note_ids(row.stream)
    return row


def describe_event(row: Row[Any]) -> dict[str, Any]:
    """Return an event as fields of a message."""
    return {
        "id": row.id,
        "owner": row.owner,
        "stream": row.stream,
        "type": row.type,
        "state": row.state,
        "attempts": row.attempts,
        "last_status": row.last_status,
        "last_error": row.last_error or "",
        "created": _to_unix(row.created_at),
        "due": _to_unix(row.due_at) if row.state == PENDING else None,
        "ended": _to_unix(row.ended_at),
    }


def _to_unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())

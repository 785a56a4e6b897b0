"""What a partner's endpoint is told of a session: of each move but those that the partner makes."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.events.outbox import Event
from chassis.messages.writer import Writer
from protos import sessions_pb2 as pb
from sessions_svc.documents import sessions as documents
from sessions_svc.reference import EVENTS
from sessions_svc.rules.prescriptions import FOREIGN_TO_DISPENSED
from sessions_svc.rules.sessions import Status
from sessions_svc.store import tables as store

UPDATED, COMPLETED = EVENTS
SILENT = frozenset({Status.CREATED, Status.CANCELLED})
ENDS = frozenset({Status.APPROVED, Status.REFERRED, Status.COMPLETED})
# Left out where they are not set, unlike other fields, which are null: as in the gateway's answers.
SESSION_EVENT = Writer(
    pb.SessionEvent,
    nulls=True,
    optional=(
        "status",
        "data",
        "dispensed_prescriptions",
        "visual_acuity",
        "distance",
        "smallest_logmar",
    ),
    foreign=FOREIGN_TO_DISPENSED,
)


def tell(tx: Connection, session: Row[Any], now: datetime) -> None:
    """Keep the event of the move that a session, as `moves.move` gives it, has just made."""
    status = Status(session.status)
    if status in SILENT:
        return
    event = pb.SessionEvent(
        user_key=session.user_key,
        session_key=session.session_key,
        type=COMPLETED if status in ENDS else UPDATED,
        status=None if status is Status.COMPLETED else status,
    )
    event.created_at.FromDatetime(now.replace(microsecond=0))
    if found := documents.data(tx, session):
        event.dispensed_prescriptions.extend(found.dispensed_prescriptions)
        if found.HasField("visual_acuity"):
            event.data.CopyFrom(found)
    partner = store.accounts.name(tx, session.account_id)
    body = SESSION_EVENT.write(event).decode()
    store.outbox.add(tx, Event(partner, session.session_key, event.type, body), now)

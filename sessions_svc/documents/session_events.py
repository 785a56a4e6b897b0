"""Events that report the moves of a session to the endpoint of its partner."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.events.outbox import Event
from chassis.messages.options import find_foreign_fields
from chassis.messages.writer import Writer
from protos import sessions_pb2 as pb
from sessions_svc.documents.sessions import compose_session_data, describe_choices
from sessions_svc.rules.statuses import Status, choose_event_type
from sessions_svc.store.tables import accounts, outbox
from sessions_svc.store.users import find_person_ref

# Unset fields are null, except those in `optional`, which are omitted as in the gateway's answers.
SESSION_EVENT_WRITER = Writer(
    pb.SessionEvent,
    nulls=True,
    optional=(
        "status",
        "data",
        "dispensed_prescriptions",
        "visual_acuity",
        "eye_health",
        "chosen_product",
        "store_id",
        "store_name",
        "mode",
        "price",
        "paid_at",
        "distance",
        "smallest_logmar",
        "person_ref",
    ),
    foreign=find_foreign_fields(pb.SessionEvent),
)


def queue_session_event(tx: Connection, session: Row[Any], now: datetime) -> None:
    """Add the event of a move to the outbox, unless the partner made the move itself.

    `session` is the row that `move_session` has just returned.
    """
    event_type = choose_event_type(session.status)
    if event_type is None:
        return
    event = pb.SessionEvent(
        user_key=session.user_key,
        session_key=session.session_key,
        type=event_type,
        status=None if session.status == Status.COMPLETED else session.status,
        **describe_choices(tx, session),
        person_ref=find_person_ref(tx, session.account_id, session.user_key),
    )
    event.created_at.FromDatetime(now.replace(microsecond=0))
    if data := compose_session_data(tx, session):
        event.dispensed_prescriptions.extend(data.dispensed_prescriptions)
        if data.HasField("visual_acuity") or data.HasField("eye_health"):
            event.data.CopyFrom(data)
    partner = accounts.name(tx, session.account_id)
    body = SESSION_EVENT_WRITER.write(event).decode()
    outbox.add(tx, Event(partner, session.session_key, event.type, body), now)

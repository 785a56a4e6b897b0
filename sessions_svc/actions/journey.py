"""A session's way: it is moved, and its partner's endpoint is told, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from protos import sessions_pb2 as pb
from sessions_svc.documents import session_events as events
from sessions_svc.documents import sessions as documents
from sessions_svc.rules.sessions import Status
from sessions_svc.store import dispensed_prescriptions as dispensed
from sessions_svc.store import sessions as moves


def move(
    tx: Connection,
    session: Row[Any],
    to: Status,
    now: datetime,
    *,
    missing_requirements: list[str] | None = None,
    visual_acuity: Mapping[str, Any] | None = None,
    dispensed_prescriptions: Sequence[Mapping[str, Any]] = (),
) -> pb.Session:
    """Move a session, a row with its id; raises WrongState.

    `missing_requirements` belong to awaiting_confirmation, `visual_acuity` to
    completed, `dispensed_prescriptions` to approved; they are valid requests' values.
    """
    moved = moves.move(
        tx,
        session.id,
        to,
        now,
        missing_requirements=missing_requirements,
        visual_acuity=visual_acuity,
    )
    if moved is None:
        raise WrongState(f"The session's status does not let it become {to}.")
    dispensed.add(tx, session.id, dispensed_prescriptions)
    events.tell(tx, moved, now)
    return documents.session(moved)

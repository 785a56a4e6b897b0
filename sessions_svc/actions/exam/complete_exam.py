"""Completes an acuity exam that the person takes through a link."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.statuses import Status
from sessions_svc.store.links import get_open_exam
from sessions_svc.store.sessions import move_session


def complete_exam(
    tx: Connection, exam_token: str, visual_acuity: Mapping[str, Any], now: datetime
) -> Row[Any]:
    """Store the results, once, and return the exam; raise NotFound or WrongState."""
    exam = get_open_exam(tx, exam_token, now, lock=True)
    if exam.status == Status.COMPLETED:
        return exam
    session = move_session(tx, exam, Status.COMPLETED, now, visual_acuity=visual_acuity)
    queue_session_event(tx, session, now)
    return get_open_exam(tx, exam_token, now)

"""Uses a link, which opens an exam."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.statuses import STARTABLE_STATUSES, Status, has_ended
from sessions_svc.store.links import CLOSED_LINK, find_exam, get_link, use_link
from sessions_svc.store.sessions import move_session


def enter_exam(
    tx: Connection, user_key: str, session_key: str, token: str, exam_token: str, now: datetime
) -> Row[Any]:
    """Use the link, start the session unless its exam is under way, and return the exam.

    A repeated visit, which has the same exam token, gets the same exam. Raises NotFound,
    and WrongState for a link that is used, expired, or of a session that has ended.
    """
    link = get_link(tx, user_key, session_key, token, lock=True)
    if use_link(tx, token, exam_token, now):
        if has_ended(link.status):
            raise WrongState(CLOSED_LINK)
        if link.status in STARTABLE_STATUSES:
            queue_session_event(tx, move_session(tx, link, Status.STARTED, now), now)
    exam = find_exam(tx, exam_token)
    if exam is None or exam.exam_expires_at <= now:
        raise WrongState(CLOSED_LINK)
    return exam

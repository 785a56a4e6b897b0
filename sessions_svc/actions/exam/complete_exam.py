"""Completes an acuity exam that the person takes through a link."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from sessions_svc.actions.exam.complete_acuity import end_acuity_exam
from sessions_svc.rules.statuses import Status, has_ended
from sessions_svc.store.links import get_open_exam


def complete_exam(
    tx: Connection,
    exam_token: str,
    now: datetime,
    visual_acuity: Mapping[str, Any] | None = None,
    eye_health: Mapping[str, bool] | None = None,
) -> Row[Any]:
    """Store the results, once, and return the exam; raise NotFound or WrongState."""
    exam = get_open_exam(tx, exam_token, now, lock=True)
    if exam.is_acuity and (has_ended(exam.status) or exam.status == Status.AWAITING_CHECKOUT):
        return exam
    end_acuity_exam(tx, exam, now, visual_acuity, eye_health)
    return get_open_exam(tx, exam_token, now)

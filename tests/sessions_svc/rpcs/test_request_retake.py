"""RequestRetake, called directly over gRPC on both engines."""

import pytest

from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import (
    bring,
    get_session,
    move,
)


@pytest.mark.parametrize("origin", [Status.AWAITING_CONFIRMATION, Status.AWAITING_REVIEW])
def test_it_works(sessions: Served, unique: str, origin: Status) -> None:
    bring(sessions, unique, origin)
    moved = move(sessions, "RequestRetake", unique)
    assert moved == get_session(sessions, unique)
    assert moved.status == "retake_requested"
    assert move(sessions, "StartExam", unique).status == "started"


def test_a_retake_clears_the_missing_requirements(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_CONFIRMATION)
    move(sessions, "RequestRetake", unique)
    assert not move(sessions, "GetSessionRecord", unique).missing_requirements

"""CancelSession, called directly over gRPC on both engines."""

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import (
    bring,
    get_session,
    get_status,
)


def build_keys(key: str, **fields: str) -> pb.CancelSessionRequest:
    return pb.CancelSessionRequest(**{"user_key": key, "session_key": key, **fields})


def test_it_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    cancelled = sessions.call("CancelSession", build_keys(unique))
    assert cancelled == get_session(sessions, unique)
    assert cancelled.status == "cancelled"


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.CREATED])
def test_only_a_session_before_its_exam_is_cancelled(
    sessions: Served, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    before = sessions.rows()
    failure = sessions.refusal("CancelSession", build_keys(unique))
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert sessions.rows() == before


def test_a_session_of_another_user_or_partner_is_not_found(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    for keys, who in (
        (build_keys(unique, user_key="another"), "client"),
        (build_keys(unique, session_key="another"), "client"),
        (build_keys(unique), "other"),
    ):
        failure = sessions.refusal("CancelSession", keys, who)
        assert (failure.code, failure.message) == (
            StatusCode.NOT_FOUND,
            "You have no such session of this user.",
        )
    assert get_status(sessions, unique) == "created"


def test_a_repeat_under_an_idempotency_key_is_replayed(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    first, repeated = (
        sessions.call("CancelSession", build_keys(unique), idempotency_key=unique) for _ in range(2)
    )
    assert repeated == first

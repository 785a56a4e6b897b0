"""StartExam, called directly over gRPC on both engines."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from chassis.errors import Fault
from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import create
from tests.sessions_svc.desk import (
    Call,
    bring,
    build_request,
    call_at_once,
    expect_refusal,
    get_status,
    move,
)


def test_it_works(sessions: Served, unique: str) -> None:
    created = sessions.call("CreateSession", create(user_key="a", session_key=unique))
    moved = move(sessions, "StartExam", unique)
    assert MessageToDict(moved, preserving_proto_field_name=True) == {
        "user_key": "a",
        "session_key": unique,
        "status": "started",
        "created_at": created.created_at.ToJsonString(),
    }


def test_of_a_concurrent_start_and_cancel_one_wins(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    keys = pb.CancelSessionRequest(user_key=unique, session_key=unique)
    start: Call = ("StartExam", build_request("StartExam", unique), "staff", True)
    cancel: Call = ("CancelSession", keys, "client", False)
    assert call_at_once(sessions, [start, cancel] * 4) == ["FAILED_PRECONDITION"] * 7 + ["OK"]


@pytest.mark.parametrize(
    ("partner", "session_key"),
    [("nobody", ""), ("other-partner", ""), ("demo-staff", ""), ("demo-partner", "unknown")],
)
def test_a_session_of_another_partner_is_not_found(
    sessions: Served, unique: str, partner: str, session_key: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    failure = expect_refusal(sessions, "StartExam", session_key or unique, partner=partner)
    assert (failure.code, failure.message) == (
        StatusCode.NOT_FOUND,
        "The partner has no such session.",
    )


def test_an_idempotency_key_moves_a_session_once(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    request = build_request("StartExam", unique)
    first, again = (
        sessions.call("StartExam", request, "staff", desk=True, idempotency_key=unique)
        for _ in range(2)
    )
    assert first == again
    move(sessions, "SubmitExam", unique)
    replayed = sessions.call("StartExam", request, "staff", desk=True, idempotency_key=unique)
    assert replayed == first
    assert get_status(sessions, unique) == "awaiting_review"


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"partner": ""}, "partner", "Missing data for required field."),
        ({"partner": "a\0"}, "partner", "Control characters are not allowed."),
    ],
)
def test_a_fault_is_named_by_its_path(
    sessions: Served, unique: str, fields: dict[str, Any], path: str, message: str
) -> None:
    bring(sessions, unique, Status.STARTED)
    failure = expect_refusal(sessions, "StartExam", unique, **fields)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults == (Fault(path, message),)

"""Every move of the status table, and none beside it, over gRPC on both engines."""

from typing import Any

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import (
    ACUITY_ORDER,
    Call,
    bring,
    build_request,
    call_at_once,
    expect_refusal,
    get_status,
    move,
)

# Each RPC with what makes it lead to a status.
MOVES_BY_RPC: list[tuple[str, dict[str, Any], Status]] = [
    ("StartExam", {}, Status.STARTED),
    ("SubmitExam", {"status": "awaiting_checkout"}, Status.AWAITING_CHECKOUT),
    (
        "SubmitExam",
        {"status": "awaiting_confirmation", "missing_requirements": ["glasses_prior"]},
        Status.AWAITING_CONFIRMATION,
    ),
    ("SubmitExam", {"status": "awaiting_review"}, Status.AWAITING_REVIEW),
    ("SubmitExam", {"status": "referred"}, Status.REFERRED),
    ("RequestConfirmation", {}, Status.AWAITING_CONFIRMATION),
    ("RequestRetake", {}, Status.RETAKE_REQUESTED),
    ("Approve", {}, Status.APPROVED),
    ("Refer", {}, Status.REFERRED),
    ("CompleteAcuity", {}, Status.COMPLETED),
]
# The contract's table, written a second time.
ALLOWED_MOVES = {
    "created": "started cancelled",
    "started": "awaiting_checkout awaiting_confirmation awaiting_review referred",
    "awaiting_checkout": "awaiting_confirmation awaiting_review",
    "awaiting_confirmation": "awaiting_review retake_requested referred",
    "awaiting_review": "approved referred retake_requested awaiting_confirmation",
    "retake_requested": "started",
    "approved": "",
    "referred": "",
    "cancelled": "",
}


@pytest.mark.parametrize("origin", list(ALLOWED_MOVES))
def test_a_move_outside_the_table_is_refused(sessions: Served, unique: str, origin: str) -> None:
    for index, (rpc, more, target) in enumerate(MOVES_BY_RPC):
        key = f"{unique}-{index}"
        bring(sessions, key, Status(origin))
        if target in ALLOWED_MOVES[origin].split():
            assert move(sessions, rpc, key, **more).status == target
            assert get_status(sessions, key) == target
        else:
            failure = expect_refusal(sessions, rpc, key, **more)
            assert (failure.code, failure.reason) == (
                StatusCode.FAILED_PRECONDITION,
                "WRONG_STATE",
            )
            assert failure.message == f"The session's status does not let it become {target}."


@pytest.mark.parametrize("origin", ["created", "started", "completed", "cancelled"])
def test_an_acuity_session_starts_and_completes(sessions: Served, unique: str, origin: str) -> None:
    allowed = {"created": [Status.STARTED], "started": [Status.COMPLETED]}.get(origin, [])
    for index, (rpc, more, target) in enumerate(MOVES_BY_RPC):
        key = f"{unique}-{index}"
        bring(sessions, key, Status(origin), order=ACUITY_ORDER)
        if target in allowed:
            assert move(sessions, rpc, key, **more).status == target
        else:
            assert expect_refusal(sessions, rpc, key, **more).reason == "WRONG_STATE"


def test_of_three_concurrent_decisions_one_wins(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    calls: list[Call] = [
        (rpc, build_request(rpc, unique), "staff", True)
        for rpc in ("Approve", "Refer", "RequestRetake")
    ]
    assert call_at_once(sessions, calls * 3) == ["FAILED_PRECONDITION"] * 8 + ["OK"]


def test_concurrent_approvals_dispense_once(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    approve: Call = ("Approve", build_request("Approve", unique), "staff", True)
    assert call_at_once(sessions, [approve] * 8) == ["FAILED_PRECONDITION"] * 7 + ["OK"]
    found = sessions.call("GetSession", pb.GetSessionRequest(user_key=unique, session_key=unique))
    assert len(found.data.dispensed_prescriptions) == 1

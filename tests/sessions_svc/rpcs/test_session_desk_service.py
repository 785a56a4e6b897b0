"""Every move of the status table, and none beside it, over gRPC on both engines."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from grpc import StatusCode

from chassis.errors import Fault
from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import create
from tests.sessions_svc.desk import (
    ACUITY_ORDER,
    bring,
    build_request,
    expect_refusal,
    get_code,
    get_status,
    move,
)

# Each RPC with what makes it lead to a status.
LEADS: list[tuple[str, dict[str, Any], Status]] = [
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
ALLOWED = {
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


def test_it_works(sessions: Served, unique: str) -> None:
    created = sessions.call("CreateSession", create(user_key="a", session_key=unique))
    moved = move(sessions, "StartExam", unique)
    assert MessageToDict(moved, preserving_proto_field_name=True) == {
        "user_key": "a",
        "session_key": unique,
        "status": "started",
        "created_at": created.created_at.ToJsonString(),
    }


@pytest.mark.parametrize("origin", list(ALLOWED))
def test_a_move_is_in_the_table_or_refused(sessions: Served, unique: str, origin: str) -> None:
    for index, (rpc, more, target) in enumerate(LEADS):
        key = f"{unique}-{index}"
        bring(sessions, key, Status(origin))
        if target in ALLOWED[origin].split():
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
    for index, (rpc, more, target) in enumerate(LEADS):
        key = f"{unique}-{index}"
        bring(sessions, key, Status(origin), order=ACUITY_ORDER)
        if target in allowed:
            assert move(sessions, rpc, key, **more).status == target
        else:
            assert expect_refusal(sessions, rpc, key, **more).reason == "WRONG_STATE"


Call = tuple[str, Message, str, bool]


def raced(served: Served, calls: list[Call]) -> list[str]:
    """How calls at once end."""

    def ends(call: Call) -> str:
        rpc, request, who, desk = call
        return get_code(served, rpc, request, who, desk=desk)

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(ends, calls))


def test_of_a_start_and_a_cancel_at_once_one_wins(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    keys = pb.CancelSessionRequest(user_key=unique, session_key=unique)
    start: Call = ("StartExam", build_request("StartExam", unique), "staff", True)
    cancel: Call = ("CancelSession", keys, "client", False)
    assert raced(sessions, [start, cancel] * 4) == ["FAILED_PRECONDITION"] * 7 + ["OK"]


def test_of_three_judgements_at_once_one_wins(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    calls: list[Call] = [
        (rpc, build_request(rpc, unique), "staff", True)
        for rpc in ("Approve", "Refer", "RequestRetake")
    ]
    assert raced(sessions, calls * 3) == ["FAILED_PRECONDITION"] * 8 + ["OK"]


def test_what_is_dispensed_at_once_is_dispensed_once(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    approve: Call = ("Approve", build_request("Approve", unique), "staff", True)
    assert raced(sessions, [approve] * 8) == ["FAILED_PRECONDITION"] * 7 + ["OK"]
    found = sessions.call("GetSession", pb.GetSessionRequest(user_key=unique, session_key=unique))
    assert len(found.data.dispensed_prescriptions) == 1


@pytest.mark.parametrize(
    ("partner", "session_key"),
    [("nobody", ""), ("other-partner", ""), ("demo-staff", ""), ("demo-partner", "unknown")],
)
def test_a_session_that_the_partner_does_not_have_is_not_found(
    sessions: Served, unique: str, partner: str, session_key: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    failure = expect_refusal(sessions, "StartExam", session_key or unique, partner=partner)
    assert (failure.code, failure.message) == (
        StatusCode.NOT_FOUND,
        "The partner has no such session.",
    )


@pytest.mark.parametrize(
    ("rpc", "fields", "path", "message"),
    [
        ("StartExam", {"partner": ""}, "partner", "Missing data for required field."),
        ("StartExam", {"partner": "a\0"}, "partner", "Control characters are not allowed."),
        ("SubmitExam", {"status": ""}, "status", "Missing data for required field."),
        (
            "SubmitExam",
            {"status": "approved"},
            "status",
            "Must be one of: awaiting_checkout, awaiting_confirmation, awaiting_review, referred.",
        ),
        (
            "SubmitExam",
            {"status": "awaiting_confirmation"},
            "missing_requirements",
            "Required with awaiting_confirmation.",
        ),
        (
            "SubmitExam",
            {"missing_requirements": ["glasses_prior"]},
            "missing_requirements",
            "Allowed only with awaiting_confirmation.",
        ),
        (
            "RequestConfirmation",
            {"missing_requirements": []},
            "missing_requirements",
            "Missing data for required field.",
        ),
        (
            "RequestConfirmation",
            {"missing_requirements": ["glasses_prior", "glasses_prior"]},
            "missing_requirements",
            "Must not have duplicate items.",
        ),
        (
            "RequestConfirmation",
            {"missing_requirements": ["id_verification", "passport"]},
            "missing_requirements.1",
            "Must be one of: glasses_prior, contacts_prior, pupillary_distance, id_verification.",
        ),
    ],
)
def test_a_fault_is_named_by_its_path(
    sessions: Served, unique: str, rpc: str, fields: dict[str, Any], path: str, message: str
) -> None:
    bring(sessions, unique, Status.STARTED)
    failure = expect_refusal(sessions, rpc, unique, **fields)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults == (Fault(path, message),)


def test_what_is_missing_is_kept_while_it_is(sessions: Served, unique: str) -> None:
    def missing() -> list[Any]:
        return [row[-4] for row in sessions.rows()["sessions"] if unique in row]

    bring(sessions, unique, Status.STARTED)
    missing_requirements = ["id_verification", "contacts_prior"]
    move(
        sessions,
        "SubmitExam",
        unique,
        status="awaiting_confirmation",
        missing_requirements=missing_requirements,
    )
    assert missing() == [missing_requirements]
    move(sessions, "SubmitExam", unique)
    assert missing() == [None]
    move(sessions, "RequestConfirmation", unique)
    assert missing() == [["id_verification"]]
    move(sessions, "Refer", unique)
    assert missing() == [None]


def test_a_key_moves_once(sessions: Served, unique: str) -> None:
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

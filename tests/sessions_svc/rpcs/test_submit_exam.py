"""SubmitExam, called directly over gRPC on both engines."""

from typing import Any

import pytest
from grpc import StatusCode

from chassis.errors import Fault
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import (
    bring,
    expect_refusal,
    get_session,
    move,
)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("awaiting_checkout", {}),
        ("awaiting_confirmation", {"missing_requirements": ["contacts_prior"]}),
        ("awaiting_review", {}),
        ("referred", {}),
    ],
)
def test_it_works(sessions: Served, unique: str, status: str, fields: dict[str, Any]) -> None:
    bring(sessions, unique, Status.STARTED)
    moved = move(sessions, "SubmitExam", unique, status=status, **fields)
    assert moved == get_session(sessions, unique)
    assert moved.status == status


def test_missing_requirements_are_stored_while_they_are_awaited(
    sessions: Served, unique: str
) -> None:
    def read_missing() -> list[Any]:
        return [row[-5] for row in sessions.rows()["sessions"] if unique in row]

    bring(sessions, unique, Status.STARTED)
    missing_requirements = ["id_verification", "contacts_prior"]
    move(
        sessions,
        "SubmitExam",
        unique,
        status="awaiting_confirmation",
        missing_requirements=missing_requirements,
    )
    assert read_missing() == [missing_requirements]
    move(sessions, "SubmitExam", unique)
    assert read_missing() == [None]
    move(sessions, "RequestConfirmation", unique)
    assert read_missing() == [["id_verification"]]
    move(sessions, "Refer", unique)
    assert read_missing() == [None]


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"status": ""}, "status", "Missing data for required field."),
        (
            {"status": "approved"},
            "status",
            "Must be one of: awaiting_checkout, awaiting_confirmation, awaiting_review, referred.",
        ),
        (
            {"status": "awaiting_confirmation"},
            "missing_requirements",
            "Required with awaiting_confirmation.",
        ),
        (
            {"missing_requirements": ["glasses_prior"]},
            "missing_requirements",
            "Allowed only with awaiting_confirmation.",
        ),
    ],
)
def test_a_fault_is_named_by_its_path(
    sessions: Served, unique: str, fields: dict[str, Any], path: str, message: str
) -> None:
    bring(sessions, unique, Status.STARTED)
    failure = expect_refusal(sessions, "SubmitExam", unique, **fields)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults == (Fault(path, message),)

"""RequestConfirmation, called directly over gRPC on both engines."""

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
    "origin", [Status.STARTED, Status.AWAITING_CHECKOUT, Status.AWAITING_REVIEW]
)
def test_it_works(sessions: Served, unique: str, origin: Status) -> None:
    bring(sessions, unique, origin)
    missing = ["pupillary_distance", "glasses_prior"]
    moved = move(sessions, "RequestConfirmation", unique, missing_requirements=missing)
    assert moved == get_session(sessions, unique)
    assert moved.status == "awaiting_confirmation"
    record = move(sessions, "GetSessionRecord", unique)
    assert record.missing_requirements == missing


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        (
            {"missing_requirements": []},
            "missing_requirements",
            "Missing data for required field.",
        ),
        (
            {"missing_requirements": ["glasses_prior", "glasses_prior"]},
            "missing_requirements",
            "Must not have duplicate items.",
        ),
        (
            {"missing_requirements": ["id_verification", "passport"]},
            "missing_requirements.1",
            "Must be one of: glasses_prior, contacts_prior, pupillary_distance, id_verification.",
        ),
    ],
)
def test_a_fault_is_named_by_its_path(
    sessions: Served, unique: str, fields: dict[str, Any], path: str, message: str
) -> None:
    bring(sessions, unique, Status.STARTED)
    failure = expect_refusal(sessions, "RequestConfirmation", unique, **fields)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults == (Fault(path, message),)

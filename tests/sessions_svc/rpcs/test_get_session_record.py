"""GetSessionRecord: everything that is stored of a session, on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import StatusCode

from chassis.errors import Fault
from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import create, load_example
from tests.sessions_svc.desk import (
    bring,
    build_request,
    configure,
    expect_refusal,
    get_session,
    move,
)

NOON = datetime(2026, 6, 15, 12, 0, 0, 987654, tzinfo=UTC)
INFO = ' { "n" : 1.0, "big": 12345678901234567890123, "a": "\\u00e9", "a": "李" }\n'


def get_record(served: Served, session_key: str) -> pb.SessionRecord:
    """Return the record of a session."""
    found: pb.SessionRecord = move(served, "GetSessionRecord", session_key)
    return found


def test_it_works(sessions: Served, unique: str) -> None:
    body = {**load_example(), "user_key": unique, "session_key": unique, "partner_info": INFO}
    body["user"]["first_name"] = "Zoë 李"
    with sessions.clock.at(NOON):
        sessions.call("CreateSession", ParseDict(body, pb.CreateSessionRequest()))
    before = sessions.rows()
    found: Any = MessageToDict(get_record(sessions, unique), preserving_proto_field_name=True)
    assert found == {
        "session": {
            "user_key": unique,
            "session_key": unique,
            "status": "created",
            "created_at": "2026-06-15T12:00:00Z",
            "store_id": "store_1234",
            "store_name": "Main Street",
            "mode": "in_store",
        },
        "user": {**body["user"], "region": "US-IL"},
        "order": {**body["order"], "charged_amount": "6000"},
        "store_id": "store_1234",
        "partner_info": INFO,
        "prescriptions": body["prescriptions"],
        "verifications": [
            {"type": "contacts", "verification": "verified", "by": "partner"},
            {"type": "glasses", "verification": "unverified", "by": "partner"},
        ],
    }
    assert sessions.rows() == before


def test_absent_fields_stay_absent(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    found = get_record(sessions, unique)
    assert found.order == pb.Order()
    assert (found.store_id, found.partner_info, list(found.prescriptions)) == ("", "", [])


@pytest.mark.parametrize("amount", [None, 0, 2**63 - 1])
def test_no_amount_and_zero_are_different(
    sessions: Served, unique: str, amount: int | None
) -> None:
    order = {"charged_currency": "USD", "charged_amount": amount}
    sessions.call("CreateSession", create(session_key=unique, order=order))
    found = get_record(sessions, unique).order
    assert found.HasField("charged_amount") == (amount is not None)
    assert found.charged_amount == (amount or 0)


def test_missing_requirements_are_shown_while_they_are_awaited(
    sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.STARTED)
    missing = ["contacts_prior", "id_verification"]
    move(sessions, "RequestConfirmation", unique, missing_requirements=missing)
    assert get_record(sessions, unique).missing_requirements == missing
    move(sessions, "SubmitExam", unique)
    assert not get_record(sessions, unique).missing_requirements


@pytest.mark.parametrize("status", [Status.APPROVED, Status.COMPLETED])
def test_the_outcome_is_the_one_that_the_partner_gets(
    sessions: Served, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    assert get_record(sessions, unique).session == get_session(sessions, unique)


def test_an_unknown_session_is_not_found(sessions: Served, unique: str) -> None:
    configure(sessions, "other-partner")
    bring(sessions, unique, Status.CREATED)
    for request in (
        build_request("GetSessionRecord", unique, "other"),
        build_request("GetSessionRecord", "no"),
    ):
        failure = sessions.refusal("GetSessionRecord", request, "staff", desk=True)
        assert (failure.code, failure.faults) == (StatusCode.NOT_FOUND, ())


def test_a_fault_is_named(sessions: Served) -> None:
    failure = expect_refusal(sessions, "GetSessionRecord", "a b", partner="")
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults == (
        Fault("partner", "Missing data for required field."),
        Fault("session_key", "Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"),
    )

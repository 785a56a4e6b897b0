"""RecordVerification: what a prescriber answered, in place of the eight hours."""

from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import build_contacts, build_session
from tests.sessions_svc.desk import bring, expect_refusal, move
from tests.sessions_svc.rpcs.test_replace_session import build_replacement
from tests.sessions_svc.rpcs.test_request_verification import (
    ASKED,
    DEADLINE,
    PLACE,
    bring_with_prior,
    read,
)

VERIFIED = {"type": "contacts", "verification": "verified"}
MOMENTS = {"requested_at": "2026-07-02T20:00:00Z", "deadline": "2026-07-06T20:00:00Z"}


@pytest.mark.parametrize("reason", ["expired", "wrong", "unknown_patient", "unusable"])
def test_an_answer_stands_after_the_hours(sessions: Served, unique: str, reason: str) -> None:
    bring_with_prior(sessions, unique)
    denied = {"type": "contacts", "verification": "unverified", "reason": reason}
    with sessions.clock.at(ASKED):
        move(sessions, "RequestVerification", unique, **PLACE)
        move(sessions, "RecordVerification", unique, **denied)
    found = read(sessions, unique, DEADLINE + timedelta(days=1))["contacts"]
    assert found == {"verification": "unverified", "by": "staff", "reason": reason, **MOMENTS}
    move(sessions, "RecordVerification", unique, **VERIFIED)
    found = read(sessions, unique, ASKED)["contacts"]
    assert found == {"verification": "verified", "by": "staff", **MOMENTS}


def test_staff_may_know_without_asking(sessions: Served, unique: str) -> None:
    bring_with_prior(sessions, unique, Status.CREATED)
    record = move(sessions, "RecordVerification", unique, **VERIFIED)
    assert [(each.verification, each.by) for each in record.verifications] == [
        ("verified", "staff"),
        ("unverified", "partner"),
    ]


def test_a_replaced_session_is_verified_anew(sessions: Served, unique: str) -> None:
    bring_with_prior(sessions, unique, Status.CREATED)
    move(sessions, "RecordVerification", unique, **VERIFIED)
    keys = {"user_key": unique, "session_key": unique}
    assert build_session(**keys)
    sessions.call("ReplaceSession", build_replacement(**keys, prescriptions=[build_contacts()]))
    record: pb.SessionRecord = move(sessions, "GetSessionRecord", unique)
    assert [each.by for each in record.verifications] == ["partner"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"type": "spectacles"}, "type"),
        ({"verification": "maybe"}, "verification"),
        ({"verification": ""}, "verification"),
        ({"verification": "unverified"}, "reason"),
        ({"reason": "wrong"}, "reason"),
        ({"verification": "unverified", "reason": "other"}, "reason"),
    ],
)
def test_a_fault_is_named_by_its_path(
    sessions: Served, unique: str, fields: dict[str, Any], path: str
) -> None:
    bring_with_prior(sessions, unique)
    failure = expect_refusal(sessions, "RecordVerification", unique, **{**VERIFIED, **fields})
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == [path]


def test_what_is_not_there_is_refused(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED, prescriptions=[build_contacts()])
    glasses = {**VERIFIED, "type": "glasses"}
    failure = expect_refusal(sessions, "RecordVerification", unique, **glasses)
    assert failure.code is StatusCode.FAILED_PRECONDITION
    failure = expect_refusal(sessions, "RecordVerification", unique, who="other", **VERIFIED)
    assert failure.code is StatusCode.NOT_FOUND
    bring_with_prior(sessions, "x" + unique, Status.REFERRED)
    failure = expect_refusal(sessions, "RecordVerification", "x" + unique, **VERIFIED)
    assert failure.code is StatusCode.FAILED_PRECONDITION

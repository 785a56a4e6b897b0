"""RequestVerification: eight business hours without an answer verify a prescription."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import build_contacts, build_glasses, to_dict
from tests.sessions_svc.desk import bring, expect_refusal, move

# Thursday before 4 July 2026, a Saturday, so that Friday is the holiday: 15:00 in Chicago.
ASKED = datetime(2026, 7, 2, 20, 0, tzinfo=UTC)
DEADLINE = datetime(2026, 7, 6, 20, 0, tzinfo=UTC)  # Monday 15:00: two hours, then six
PLACE = {"type": "contacts", "time_zone": "America/Chicago"}


def bring_with_prior(served: Served, key: str, status: Status = Status.STARTED) -> None:
    """Create a session with two prior prescriptions, none verified, and bring it to a status."""
    bring(served, key, status, prescriptions=[build_contacts(), build_glasses()])


def read(served: Served, key: str, at: datetime) -> Any:
    """Return the verifications of a session at a moment, by type."""
    with served.clock.at(at):
        record: pb.SessionRecord = move(served, "GetSessionRecord", key)
    return {each.pop("type"): each for each in map(to_dict, record.verifications)}


def test_it_works(sessions: Served, unique: str) -> None:
    bring_with_prior(sessions, unique)
    with sessions.clock.at(ASKED):
        asked = move(sessions, "RequestVerification", unique, **PLACE)
    moments = {"requested_at": "2026-07-02T20:00:00Z", "deadline": "2026-07-06T20:00:00Z"}
    waiting = {"verification": "unverified", "by": "partner", **moments}
    assert to_dict(asked.verifications[0]) == {"type": "contacts", **waiting}
    other = {"verification": "unverified", "by": "partner"}
    before = DEADLINE - timedelta(seconds=1)
    assert read(sessions, unique, before) == {"contacts": waiting, "glasses": other}
    passive = {"verification": "verified", "by": "passive", **moments}
    assert read(sessions, unique, DEADLINE) == {"contacts": passive, "glasses": other}


def test_a_repeat_restarts_the_hours(sessions: Served, unique: str) -> None:
    bring_with_prior(sessions, unique)
    for hours in (0, 1):
        with sessions.clock.at(ASKED + timedelta(hours=hours)):
            move(sessions, "RequestVerification", unique, **PLACE)
    assert read(sessions, unique, DEADLINE)["contacts"]["verification"] == "unverified"
    later = DEADLINE + timedelta(hours=1)
    assert read(sessions, unique, later)["contacts"]["by"] == "passive"


@pytest.mark.parametrize("calendar", ["CA-ON", "ES"])
def test_another_calendar_has_other_holidays(sessions: Served, unique: str, calendar: str) -> None:
    bring_with_prior(sessions, unique)
    with sessions.clock.at(ASKED):
        asked = move(sessions, "RequestVerification", unique, **PLACE, calendar=calendar)
    assert asked.verifications[0].deadline.ToDatetime(UTC) == DEADLINE - timedelta(days=3)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"type": "spectacles"}, "type"),
        ({"type": ""}, "type"),
        ({"time_zone": ""}, "time_zone"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"calendar": "ZZ"}, "calendar"),
        ({"calendar": "us"}, "calendar"),
    ],
)
def test_a_fault_is_named_by_its_path(
    sessions: Served, unique: str, fields: dict[str, Any], path: str
) -> None:
    bring_with_prior(sessions, unique)
    failure = expect_refusal(sessions, "RequestVerification", unique, **{**PLACE, **fields})
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == [path]


def test_what_is_verified_or_missing_is_refused(sessions: Served, unique: str) -> None:
    verified = build_contacts(verification="verified")
    bring(sessions, unique, Status.STARTED, prescriptions=[verified])
    for type in ("contacts", "glasses"):
        failure = expect_refusal(sessions, "RequestVerification", unique, **{**PLACE, "type": type})
        assert failure.code is StatusCode.FAILED_PRECONDITION


def test_ended_sessions_and_other_partners_are_refused(sessions: Served, unique: str) -> None:
    bring_with_prior(sessions, unique, Status.REFERRED)
    failure = expect_refusal(sessions, "RequestVerification", unique, **PLACE)
    assert failure.code is StatusCode.FAILED_PRECONDITION
    failure = expect_refusal(sessions, "RequestVerification", unique, who="other", **PLACE)
    assert failure.code is StatusCode.NOT_FOUND

"""The events of sessions, as they are stored for delivery, on both engines."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from protos import sessions_pb2 as pb
from sessions_svc.store import tables
from tests.event_schemas import check_event
from tests.serving import PEOPLE, Served
from tests.sessions_svc.bodies import create
from tests.sessions_svc.desk import (
    ACUITY_ORDER,
    VISUAL_ACUITY,
    build_dispensed_glasses,
    build_request,
    configure,
    create_partner,
    expect_refusal,
    move,
)

ENDPOINT = {"url": "https://partner.example/events"}
MOMENT = datetime(2026, 6, 15, 12, 0, 0, 987654, tzinfo=UTC)


class Partner:
    """A partner with an endpoint and one session."""

    def __init__(self, served: Served, name: str, **session: Any) -> None:
        self.served = served
        self.name = name
        self.authorization = create_partner(served, name, endpoint=ENDPOINT)
        request = create(user_key=f"u-{name}", session_key=name, **session)
        served.call("CreateSession", request, "", authorization=self.authorization)

    def move(self, rpc: str, **fields: Any) -> None:
        """Move the session by an RPC of the desk."""
        with self.served.clock.at(MOMENT):
            move(self.served, rpc, self.name, partner=self.name, **fields)

    def read_events(self) -> list[Any]:
        """Return the bodies of the partner's events, oldest first."""
        with self.served.database.read() as tx:
            rows = tables.outbox.find(tx, 100, owner=self.name)
        for row in rows:
            assert (row.stream, row.content_type) == (self.name, "application/json")
            assert json.loads(row.body)["type"] == row.type
            check_event("sessions", row.type, row.content_type, row.body)
        return [json.loads(row.body) for row in reversed(rows)]

    def build_event(self, status: str | None, type: str = "session_updated", **more: Any) -> Any:
        """Return the expected body of an event."""
        keys = {"user_key": f"u-{self.name}", "session_key": self.name}
        said = {**keys, "type": type, "created_at": "2026-06-15T12:00:00Z", **more}
        return said if status is None else {**said, "status": status}


def test_it_works(sessions: Served, unique: str) -> None:
    partner = Partner(sessions, unique)
    for rpc, fields in (
        ("StartExam", {}),
        ("SubmitExam", {"status": "awaiting_checkout"}),
        ("RequestConfirmation", {}),
        ("RequestRetake", {}),
        ("StartExam", {}),
        ("SubmitExam", {}),
        ("Approve", {"dispensed_prescriptions": [build_dispensed_glasses()]}),
    ):
        partner.move(rpc, **fields)
    events = partner.read_events()
    (dispensed,) = events[-1].pop("dispensed_prescriptions")
    assert isinstance(dispensed.pop("id"), int)
    eye = {"sphere": 0.0, "cylinder": None, "axis": None, "add": 1.5, "pupillary_distance": 30.0}
    assert dispensed == {
        "type": "glasses",
        "issue_date": "2026-06-15",
        "expiration_date": "2028-06-15",
        "right_eye": eye,
        "left_eye": eye,
        "assets": [],
    }
    assert events == [
        partner.build_event("started"),
        partner.build_event("awaiting_checkout"),
        partner.build_event("awaiting_confirmation"),
        partner.build_event("retake_requested"),
        partner.build_event("started"),
        partner.build_event("awaiting_review"),
        partner.build_event("approved", "session_completed"),
    ]


def test_a_referral_completes(sessions: Served, unique: str) -> None:
    partner = Partner(sessions, unique)
    partner.move("StartExam")
    partner.move("Refer")
    assert partner.read_events() == [
        partner.build_event("started"),
        partner.build_event("referred", "session_completed"),
    ]


def test_an_acuity_exam_completes_with_data_and_no_status(sessions: Served, unique: str) -> None:
    partner = Partner(sessions, unique, order=ACUITY_ORDER)
    partner.move("StartExam")
    partner.move("CompleteAcuity", visual_acuity=VISUAL_ACUITY)
    found = {
        "right_eye": {"logmar": 0.1, "snellen": "20/25"},
        "left_eye": {"logmar": None, "snellen": None},
        "correction": "glasses",
    }
    assert partner.read_events() == [
        partner.build_event("started"),
        partner.build_event(None, "session_completed", data={"visual_acuity": found}),
    ]


def test_a_move_of_the_partner_sends_no_event(sessions: Served, unique: str) -> None:
    partner = Partner(sessions, unique)
    keys = pb.CancelSessionRequest(user_key=f"u-{unique}", session_key=unique)
    sessions.call("CancelSession", keys, "", authorization=partner.authorization)
    assert partner.read_events() == []


def test_a_refused_move_sends_no_event(sessions: Served, unique: str) -> None:
    partner = Partner(sessions, unique)
    partner.move("StartExam")
    expect_refusal(sessions, "StartExam", unique, partner=unique)
    expect_refusal(sessions, "Approve", unique, partner=unique)
    assert len(partner.read_events()) == 1


def test_a_repeated_move_sends_one_event(sessions: Served, unique: str) -> None:
    partner = Partner(sessions, unique)
    request = build_request("StartExam", unique, partner=unique)
    for _ in range(2):
        sessions.call("StartExam", request, "staff", desk=True, idempotency_key=unique)
    assert len(partner.read_events()) == 1


def test_a_partner_without_an_endpoint_gets_no_events(sessions: Served, unique: str) -> None:
    partner = Partner(sessions, unique)
    configure(sessions, unique)
    partner.move("StartExam")
    assert partner.read_events() == []


def test_a_partner_may_ask_for_one_type(sessions: Served, unique: str) -> None:
    partner = Partner(sessions, unique)
    configure(sessions, unique, endpoint={**ENDPOINT, "events": ["session_completed"]})
    partner.move("StartExam")
    partner.move("Refer")
    assert [each["status"] for each in partner.read_events()] == ["referred"]


@pytest.mark.parametrize("field", ["owner", "stream", "type"])
def test_the_envelope_holds_only_the_partners_own_names(
    sessions: Served, unique: str, field: str
) -> None:
    partner = Partner(sessions, unique)
    partner.move("StartExam")
    with sessions.database.read() as tx:
        (row,) = tables.outbox.find(tx, 1, owner=unique)
    assert PEOPLE["sessions"]["client"] != row.owner
    assert getattr(row, field) in (unique, "session_updated")

"""CompleteExam: the results of an acuity exam, on both engines."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from chassis.events.endpoints import EndpointSchema
from protos import sessions_pb2 as pb
from sessions_svc.rules.acuity import ACUITY_SERVICE
from sessions_svc.rules.statuses import EVENT_TYPES
from sessions_svc.store import tables
from tests.serving import Served
from tests.sessions_svc.bodies import Values, to_dict
from tests.sessions_svc.links import (
    CLOSED,
    RESULTS,
    call_door,
    expect_refusal_at_door,
    get_refusal,
    open_acuity_exam,
    open_exam,
)

CONCURRENT_CALLS = 16
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
RETURN_URL = "https://partner.com/thankyou"


def test_an_acuity_exam_ends_with_its_results(sessions: Served, unique: str) -> None:
    token = open_acuity_exam(sessions, unique, RETURN_URL)
    assert call_door(sessions, "GetExam", exam_token=token).next == "acuity"
    ended = call_door(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS)
    assert to_dict(ended) == {
        "partner": "demo-partner",
        "user_key": unique,
        "session_key": unique,
        "status": "completed",
        "products": [{"type": ACUITY_SERVICE}],
        "next": "return",
        "return_url": f"{RETURN_URL}?user_key={unique}&session_key={unique}&status=completed",
        "right_eye": {"logmar": 0.1, "feet": "20/25", "metres": "6/7.5"},
        "left_eye": {},
    }
    assert call_door(sessions, "GetExam", exam_token=token) == ended
    keys = {"user_key": unique, "session_key": unique}
    kept = sessions.call("GetSession", pb.GetSessionRequest(**keys)).data.visual_acuity
    right = {**RESULTS["right_eye"], "snellen": "20/25"}
    assert to_dict(kept) == {**RESULTS, "right_eye": right}


def test_start_and_results_send_events(sessions: Served, unique: str) -> None:
    endpoint = EndpointSchema(EVENT_TYPES).load({"url": "https://partner.example/events"})
    with sessions.database.write() as tx:
        tables.outbox.endpoints.put(tx, "demo-partner", endpoint, NOON)
    with sessions.clock.at(NOON):
        token = open_acuity_exam(sessions, unique)
        for _ in range(2):
            call_door(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS)
    with sessions.database.write() as tx:
        bodies = [each.body for each in reversed(tables.outbox.find(tx, 100))]
        tables.outbox.endpoints.put(tx, "demo-partner", None, NOON)
    keys = {"user_key": unique, "session_key": unique}
    moment = {"created_at": "2026-06-15T12:00:00Z"}
    right, left = {"logmar": 0.1, "snellen": "20/25"}, {"logmar": None, "snellen": None}
    found = {**RESULTS, "right_eye": right, "left_eye": left}
    assert [json.loads(body) for body in bodies if unique in body] == [
        {**keys, "type": "session_updated", "status": "started", **moment},
        {**keys, "type": "session_completed", **moment, "data": {"visual_acuity": found}},
    ]


def test_results_are_stored_once(sessions: Served, unique: str) -> None:
    token = open_acuity_exam(sessions, unique)

    def complete(number: int) -> Any:
        eye = {"logmar": number / 20}
        found = {**RESULTS, "right_eye": eye}
        return call_door(sessions, "CompleteExam", exam_token=token, visual_acuity=found)

    with ThreadPoolExecutor(CONCURRENT_CALLS) as pool:
        answers = list(pool.map(complete, range(CONCURRENT_CALLS)))
    assert answers == [answers[0]] * CONCURRENT_CALLS
    before = sessions.rows()
    assert complete(0) == answers[0]
    assert sessions.rows() == before


@pytest.mark.parametrize(
    ("found", "path"),
    [
        (None, "visual_acuity"),
        ({**RESULTS, "right_eye": {"logmar": -0.31}}, "visual_acuity.right_eye.logmar"),
        ({**RESULTS, "left_eye": {"logmar": 1.31}}, "visual_acuity.left_eye.logmar"),
        ({**RESULTS, "left_eye": {"logmar": "NaN"}}, "visual_acuity.left_eye.logmar"),
        ({**RESULTS, "left_eye": {"logmar": "Infinity"}}, "visual_acuity.left_eye.logmar"),
        ({**RESULTS, "left_eye": None}, "visual_acuity.left_eye"),
        ({**RESULTS, "correction": "monocle"}, "visual_acuity.correction"),
        ({**RESULTS, "correction": ""}, "visual_acuity.correction"),
        ({**RESULTS, "distance": 299}, "visual_acuity.distance"),
        ({**RESULTS, "distance": 10_001}, "visual_acuity.distance"),
        ({**RESULTS, "distance": -1}, "visual_acuity.distance"),
        ({**RESULTS, "smallest_logmar": 2}, "visual_acuity.smallest_logmar"),
    ],
)
def test_results_out_of_range_are_refused(
    sessions: Served, unique: str, found: Values | None, path: str
) -> None:
    token = open_acuity_exam(sessions, unique)
    failure = expect_refusal_at_door(
        sessions, "CompleteExam", exam_token=token, visual_acuity=found
    )
    assert failure.code == StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == [path]


def test_only_a_started_acuity_session_takes_results(sessions: Served, unique: str) -> None:
    glasses = open_exam(sessions, unique, order={"products": [{"type": "glasses"}]})
    free = open_exam(sessions, "x" + unique)
    for token in (glasses, free):
        assert (
            get_refusal(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS) == CLOSED
        )

"""Answers about the health of the eyes: part of the results, and a yes refers, on both engines."""

from typing import Any

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.acuity import WARNING_SIGNS
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import to_dict
from tests.sessions_svc.desk import (
    ACUITY_ORDER,
    VISUAL_ACUITY,
    bring,
    expect_refusal,
    get_session,
    move,
)
from tests.sessions_svc.links import RESULTS, call_door, expect_refusal_at_door, open_acuity_exam

HEALTHY = dict.fromkeys(WARNING_SIGNS, False)


def read_data(served: Served, key: str) -> Any:
    """Return the outcome of a session."""
    return to_dict(get_session(served, key).data)


def test_it_works(sessions: Served, unique: str) -> None:
    token = open_acuity_exam(sessions, unique)
    fields = {"exam_token": token, "visual_acuity": RESULTS, "eye_health": HEALTHY}
    assert call_door(sessions, "CompleteExam", **fields).status == "completed"
    data = read_data(sessions, unique)
    assert data["eye_health"] == HEALTHY
    assert data["visual_acuity"]["correction"] == "glasses"


@pytest.mark.parametrize("sign", WARNING_SIGNS)
def test_a_yes_refers(sessions: Served, unique: str, sign: str) -> None:
    token = open_acuity_exam(sessions, unique)
    answers = {**HEALTHY, sign: True}
    for _ in range(2):  # a repeat changes nothing
        exam = call_door(sessions, "CompleteExam", exam_token=token, eye_health=answers)
        assert (exam.status, exam.next) == ("referred", "return")
    assert read_data(sessions, unique) == {"eye_health": answers}


def test_results_are_kept_beside_a_yes(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED, order=ACUITY_ORDER)
    answers = {**HEALTHY, "curtain": True}
    moved = move(sessions, "CompleteAcuity", unique, eye_health=answers)
    assert moved.status == "referred"
    data = read_data(sessions, unique)
    assert data["eye_health"] == answers
    assert data["visual_acuity"]["right_eye"]["logmar"] == VISUAL_ACUITY["right_eye"]["logmar"]


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({}, {"visual_acuity"}),
        ({"eye_health": HEALTHY}, {"visual_acuity"}),
        (
            {"visual_acuity": RESULTS, "eye_health": {}},
            {f"eye_health.{each}" for each in WARNING_SIGNS},
        ),
        (
            {"visual_acuity": RESULTS, "eye_health": {"curtain": False}},
            {f"eye_health.{each}" for each in WARNING_SIGNS if each != "curtain"},
        ),
        (
            {"eye_health": {"curtain": True}},
            {f"eye_health.{each}" for each in WARNING_SIGNS if each != "curtain"},
        ),
    ],
)
def test_all_is_answered_or_nothing(
    sessions: Served, unique: str, fields: dict[str, Any], paths: set[str]
) -> None:
    token = open_acuity_exam(sessions, unique)
    failure = expect_refusal_at_door(sessions, "CompleteExam", exam_token=token, **fields)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert {fault.path for fault in failure.faults} == paths


def test_a_session_for_glasses_has_no_such_answers(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED, order={"products": [{"type": "glasses"}]})
    answers = {**HEALTHY, "curtain": True}
    failure = expect_refusal(sessions, "CompleteAcuity", unique, eye_health=answers)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")


def test_staff_refers_no_acuity_session_without_an_answer(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED, order=ACUITY_ORDER)
    assert expect_refusal(sessions, "Refer", unique).reason == "WRONG_STATE"


def test_the_event_has_the_answers(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED, order=ACUITY_ORDER)
    answers = {**HEALTHY, "double_vision": True}
    move(sessions, "CompleteAcuity", unique, eye_health=answers)
    record: pb.SessionRecord = move(sessions, "GetSessionRecord", unique)
    assert to_dict(record.session.data.eye_health) == answers

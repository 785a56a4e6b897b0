"""EnterExam: the holder of a link gets in once, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc import StatusCode

from sessions_svc.rules.statuses import Status
from tests.chassis.logs import capture_log
from tests.serving import Served, decode
from tests.sessions_svc.desk import bring, get_status, move
from tests.sessions_svc.links import (
    CLOSED,
    VISIT,
    call_door,
    create_link,
    enter_exam,
    expect_refusal_at_door,
    get_refusal,
    open_exam,
)

CONCURRENT_CALLS = 16
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def test_a_link_opens_once(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = create_link(sessions, unique)
    enter_exam(sessions, link)
    assert get_refusal(sessions, "GetDoor", **link) == CLOSED
    assert get_refusal(sessions, "EnterExam", **link, visit="w" * 22) == CLOSED


def test_of_many_concurrent_visits_one_enters(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = create_link(sessions, unique)

    def go(number: int) -> str:
        try:
            return enter_exam(sessions, link, f"{number:022}")
        except grpc.RpcError as error:
            return decode(error).reason

    with ThreadPoolExecutor(CONCURRENT_CALLS) as pool:
        answers = list(pool.map(go, range(CONCURRENT_CALLS)))
    assert answers.count("WRONG_STATE") == CONCURRENT_CALLS - 1
    assert get_status(sessions, unique) == "started"


def test_a_double_click_gets_one_exam(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = create_link(sessions, unique)
    with ThreadPoolExecutor(CONCURRENT_CALLS) as pool:
        tokens = set(pool.map(lambda _: enter_exam(sessions, link), range(CONCURRENT_CALLS)))
    assert len(tokens) == 1


def test_a_link_expires_after_five_minutes(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        early, late = create_link(sessions, unique), create_link(sessions, unique)
    with sessions.clock.at(NOON + timedelta(minutes=5) - timedelta(microseconds=1)):
        enter_exam(sessions, early)
    with sessions.clock.at(NOON + timedelta(minutes=5)):
        assert get_refusal(sessions, "GetDoor", **late) == CLOSED
        assert get_refusal(sessions, "EnterExam", **late, visit=VISIT) == CLOSED


@pytest.mark.parametrize("visit", ["", "v" * 21, "v" * 129, "v" * 21 + "é", "v" * 22 + "\n"])
def test_a_visit_requires_a_random_value(sessions: Served, unique: str, visit: str) -> None:
    bring(sessions, unique, Status.CREATED)
    failure = expect_refusal_at_door(
        sessions, "EnterExam", **create_link(sessions, unique), visit=visit
    )
    assert failure.code == StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == ["visit"]


def test_entering_a_session_under_way_keeps_its_status(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED)
    first = enter_exam(sessions, create_link(sessions, unique))
    move(sessions, "SubmitExam", unique, status="awaiting_checkout")
    second = enter_exam(sessions, create_link(sessions, unique))
    for token in (first, second):
        found = call_door(sessions, "GetExam", exam_token=token)
        assert (found.status, found.next) == ("awaiting_checkout", "front_end")


def test_a_retake_starts_the_exam_again(sessions: Served, unique: str) -> None:
    token = open_exam(sessions, unique, Status.RETAKE_REQUESTED)
    assert call_door(sessions, "GetExam", exam_token=token).status == "started"


def test_no_secret_is_logged(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with capture_log() as lines:
        link = create_link(sessions, unique)
        token = enter_exam(sessions, link)
        get_refusal(sessions, "GetExam", exam_token="x" + token)
    said = repr(lines())
    assert "DoorService/GetExam" in said
    for secret in (link["token"], token, VISIT, unique):
        assert secret not in said

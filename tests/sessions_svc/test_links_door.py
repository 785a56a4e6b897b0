"""The door: who holds a link gets in once, on both engines."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode
from sqlalchemy import select

from chassis.errors import decode
from chassis.events.endpoints import EndpointSchema
from protos import sessions_pb2 as pb
from sessions_svc import store
from sessions_svc.reference import EVENTS
from sessions_svc.rules import ACUITY, Status
from sessions_svc.visits import return_url
from tests.chassis.logs import capture_log
from tests.serving import Served
from tests.sessions_svc.bodies import Values
from tests.sessions_svc.desk import ACUITY_ORDER, bring, move, status_of
from tests.sessions_svc.visits import (
    FOUND,
    VISIT,
    acuity_exam,
    at_door,
    enter,
    exam,
    link_of,
    turned_away,
)

AT_ONCE = 16
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
OVER = (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
UNKNOWN = (StatusCode.NOT_FOUND, "NOT_FOUND")
DONE = "https://partner.com/thankyou"


def plain(message: Any) -> Values:
    values: Values = MessageToDict(message, preserving_proto_field_name=True)
    return values


def why(served: Served, rpc: str, **fields: Any) -> tuple[StatusCode, str]:
    failure = turned_away(served, rpc, **fields)
    return failure.code, failure.reason


def test_it_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order={"products": [{"type": "contacts"}]})
    link = link_of(sessions, unique, DONE)
    before = sessions.rows()
    for _ in range(2):
        assert plain(at_door(sessions, "GetDoor", **link)) == {
            "first_name": "Test",
            "last_name": "User",
            "products": [{"type": "contacts"}],
            "status": "created",
        }
    assert sessions.rows() == before
    token = enter(sessions, link)
    assert status_of(sessions, unique) == "started"
    assert plain(at_door(sessions, "GetExam", exam_token=token)) == {
        "partner": "demo-partner",
        "user_key": unique,
        "session_key": unique,
        "status": "started",
        "products": [{"type": "contacts"}],
        "next": "front_end",
        "return_url": f"{DONE}?user_key={unique}&session_key={unique}&status=started",
    }


def test_a_link_opens_once(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = link_of(sessions, unique)
    enter(sessions, link)
    assert why(sessions, "GetDoor", **link) == OVER
    assert why(sessions, "EnterExam", **link, visit="w" * 22) == OVER


def test_of_many_at_once_one_gets_in(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = link_of(sessions, unique)

    def go(number: int) -> str:
        try:
            return enter(sessions, link, f"{number:022}")
        except grpc.RpcError as error:
            return decode(error).reason

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(go, range(AT_ONCE)))
    assert answers.count("WRONG_STATE") == AT_ONCE - 1
    assert status_of(sessions, unique) == "started"


def test_a_double_click_gets_one_exam(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = link_of(sessions, unique)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tokens = set(pool.map(lambda _: enter(sessions, link), range(AT_ONCE)))
    assert len(tokens) == 1


def test_a_link_is_good_for_five_minutes(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        early, late = link_of(sessions, unique), link_of(sessions, unique)
    with sessions.clock.at(NOON + timedelta(minutes=5) - timedelta(microseconds=1)):
        enter(sessions, early)
    with sessions.clock.at(NOON + timedelta(minutes=5)):
        assert why(sessions, "GetDoor", **late) == OVER
        assert why(sessions, "EnterExam", **late, visit=VISIT) == OVER


def test_an_exam_is_good_for_four_hours(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    with sessions.clock.at(NOON):
        link = link_of(sessions, unique)
        entered = at_door(sessions, "EnterExam", **link, visit=VISIT)
    token = entered.exam_token
    assert entered.expires_at.ToDatetime(UTC) == NOON + timedelta(hours=4)
    with sessions.clock.at(NOON + timedelta(hours=4) - timedelta(seconds=1)):
        assert at_door(sessions, "GetExam", exam_token=token).status == "started"
        assert enter(sessions, link) == token
    with sessions.clock.at(NOON + timedelta(hours=4)):
        assert why(sessions, "GetExam", exam_token=token) == OVER
        assert why(sessions, "CompleteExam", exam_token=token, visual_acuity=FOUND) == OVER
        assert why(sessions, "EnterExam", **link, visit=VISIT) == OVER


@pytest.mark.parametrize("name", ["token", "user_key", "session_key"])
@pytest.mark.parametrize("value", ["", "x", "é\x00🙂", "x" * 100_000, None])
def test_a_link_must_be_right_in_every_part(
    sessions: Served, unique: str, name: str, value: str | None
) -> None:
    bring(sessions, unique, Status.CREATED)
    bring(sessions, "y" + unique, Status.CREATED)
    foreign = link_of(sessions, "y" + unique)
    link = {**link_of(sessions, unique), name: foreign[name] if value is None else value}
    assert why(sessions, "GetDoor", **link) == UNKNOWN
    malformed = (StatusCode.INVALID_ARGUMENT, "INVALID")
    expected = malformed if value and "\0" in value else UNKNOWN
    assert why(sessions, "EnterExam", **link, visit=VISIT) == expected


@pytest.mark.parametrize("visit", ["", "v" * 21, "v" * 129, "v" * 21 + "é", "v" * 22 + "\n"])
def test_a_visit_has_a_secret_of_its_own(sessions: Served, unique: str, visit: str) -> None:
    bring(sessions, unique, Status.CREATED)
    failure = turned_away(sessions, "EnterExam", **link_of(sessions, unique), visit=visit)
    assert failure.code == StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == ["visit"]


@pytest.mark.parametrize("token", ["", "x", "\x00", "é" * 50_000])
def test_a_wrong_token_opens_no_exam(sessions: Served, token: str) -> None:
    assert why(sessions, "GetExam", exam_token=token) == UNKNOWN
    failure = turned_away(sessions, "CompleteExam", exam_token=token, visual_acuity=FOUND)
    assert failure.code in (StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)


def test_a_session_under_way_is_entered_again_as_it_is(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED)
    first = enter(sessions, link_of(sessions, unique))
    move(sessions, "SubmitExam", unique, status="awaiting_checkout")
    second = enter(sessions, link_of(sessions, unique))
    for token in (first, second):
        found = at_door(sessions, "GetExam", exam_token=token)
        assert (found.status, found.next) == ("awaiting_checkout", "front_end")


def test_a_retake_starts_the_exam_again(sessions: Served, unique: str) -> None:
    token = exam(sessions, unique, Status.RETAKE_REQUESTED)
    assert at_door(sessions, "GetExam", exam_token=token).status == "started"


@pytest.mark.parametrize("status", [Status.REFERRED, Status.CANCELLED, Status.COMPLETED])
def test_a_link_into_a_session_that_has_ended_since_is_over(
    sessions: Served, unique: str, status: Status
) -> None:
    fields = {"order": ACUITY_ORDER} if status == Status.COMPLETED else {}
    bring(sessions, unique, Status.CREATED, **fields)
    link = link_of(sessions, unique)
    if status == Status.CANCELLED:
        keys = {"user_key": unique, "session_key": unique}
        sessions.call("CancelSession", pb.CancelSessionRequest(**keys))
    else:
        move(sessions, "StartExam", unique)
        move(sessions, "Refer" if status == Status.REFERRED else "CompleteAcuity", unique)
    assert why(sessions, "GetDoor", **link) == OVER
    assert why(sessions, "EnterExam", **link, visit=VISIT) == OVER
    assert status_of(sessions, unique) == status


@pytest.mark.parametrize(
    ("status", "next_step"),
    [
        (Status.STARTED, "front_end"),
        (Status.AWAITING_CHECKOUT, "front_end"),
        (Status.AWAITING_CONFIRMATION, "front_end"),
        (Status.AWAITING_REVIEW, "return"),
    ],
)
def test_an_exam_says_what_comes_next(
    sessions: Served, unique: str, status: Status, next_step: str
) -> None:
    token = exam(sessions, unique, status)
    found = at_door(sessions, "GetExam", exam_token=token)
    assert (found.status, found.next, found.return_url) == (status, next_step, "")


def test_what_is_missing_goes_back_with_the_person(sessions: Served, unique: str) -> None:
    token = exam(sessions, unique, Status.STARTED, f"{DONE}?a=%5B1%5D#end")
    missing = ["glasses_prior", "id_verification"]
    move(sessions, "RequestConfirmation", unique, missing_requirements=missing)
    assert at_door(sessions, "GetExam", exam_token=token).return_url == (
        f"{DONE}?a=%5B1%5D&user_key={unique}&session_key={unique}&status=awaiting_confirmation"
        "&missing_requirements[]=glasses_prior&missing_requirements[]=id_verification#end"
    )
    move(sessions, "RequestRetake", unique)
    assert at_door(sessions, "GetExam", exam_token=token).return_url == (
        f"{DONE}?a=%5B1%5D&user_key={unique}&session_key={unique}&status=retake_requested#end"
    )


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://a.b", "https://a.b?S"),
        ("https://a.b/", "https://a.b/?S"),
        ("https://a.b/?", "https://a.b/?S"),
        ("https://a.b/?x=1", "https://a.b/?x=1&S"),
        ("https://a.b/?x=1&", "https://a.b/?x=1&S"),
        ("https://a.b/?x=+%2b%zz&x=[]", "https://a.b/?x=+%2b%zz&x=[]&S"),
        ("https://a.b/#top", "https://a.b/?S#top"),
        ("https://a.b/#top?x=1", "https://a.b/?S#top?x=1"),
        ("https://a.b/?x=1#", "https://a.b/?x=1&S#"),
        ("https://a.b/?u=https://c.d/?e", "https://a.b/?u=https://c.d/?e&S"),
    ],
)
def test_what_a_redirect_url_holds_is_kept_byte_for_byte(url: str, whole: str) -> None:
    state = "user_key=u%3A1&session_key=s.1&status=started"
    assert return_url(url, "u:1", "s.1", "started", ["x"]) == whole.replace("S", state)


def test_an_acuity_exam_ends_with_its_results(sessions: Served, unique: str) -> None:
    token = acuity_exam(sessions, unique, DONE)
    assert at_door(sessions, "GetExam", exam_token=token).next == "acuity"
    ended = at_door(sessions, "CompleteExam", exam_token=token, visual_acuity=FOUND)
    assert plain(ended) == {
        "partner": "demo-partner",
        "user_key": unique,
        "session_key": unique,
        "status": "completed",
        "products": [{"type": ACUITY}],
        "next": "return",
        "return_url": f"{DONE}?user_key={unique}&session_key={unique}&status=completed",
        "right_eye": {"logmar": 0.1, "feet": "20/25", "metres": "6/7.5"},
        "left_eye": {},
    }
    assert at_door(sessions, "GetExam", exam_token=token) == ended
    keys = {"user_key": unique, "session_key": unique}
    kept = sessions.call("GetSession", pb.GetSessionRequest(**keys)).data.visual_acuity
    right = {**FOUND["right_eye"], "snellen": "20/25"}
    assert plain(kept) == {**FOUND, "right_eye": right}


def test_the_partner_is_told_of_start_and_results(sessions: Served, unique: str) -> None:
    endpoint = EndpointSchema(EVENTS).load({"url": "https://partner.example/events"})
    with sessions.database.write() as tx:
        store.outbox.endpoints.put(tx, "demo-partner", endpoint, NOON)
    with sessions.clock.at(NOON):
        token = acuity_exam(sessions, unique)
        for _ in range(2):
            at_door(sessions, "CompleteExam", exam_token=token, visual_acuity=FOUND)
    with sessions.database.write() as tx:
        told = tx.execute(select(store.outbox.table.c.body)).scalars().all()
        store.outbox.endpoints.put(tx, "demo-partner", None, NOON)
    keys = {"user_key": unique, "session_key": unique}
    moment = {"created_at": "2026-06-15T12:00:00Z"}
    right, left = {"logmar": 0.1, "snellen": "20/25"}, {"logmar": None, "snellen": None}
    found = {**FOUND, "right_eye": right, "left_eye": left}
    assert [json.loads(body) for body in told if unique in body] == [
        {**keys, "type": "session_updated", "status": "started", **moment},
        {**keys, "type": "session_completed", **moment, "data": {"visual_acuity": found}},
    ]


def test_results_are_kept_once(sessions: Served, unique: str) -> None:
    token = acuity_exam(sessions, unique)

    def complete(number: int) -> Any:
        eye = {"logmar": number / 20}
        found = {**FOUND, "right_eye": eye}
        return at_door(sessions, "CompleteExam", exam_token=token, visual_acuity=found)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(complete, range(AT_ONCE)))
    assert answers == [answers[0]] * AT_ONCE
    before = sessions.rows()
    assert complete(0) == answers[0]
    assert sessions.rows() == before


@pytest.mark.parametrize(
    ("found", "path"),
    [
        (None, "visual_acuity"),
        ({**FOUND, "right_eye": {"logmar": -0.31}}, "visual_acuity.right_eye.logmar"),
        ({**FOUND, "left_eye": {"logmar": 1.31}}, "visual_acuity.left_eye.logmar"),
        ({**FOUND, "left_eye": {"logmar": "NaN"}}, "visual_acuity.left_eye.logmar"),
        ({**FOUND, "left_eye": {"logmar": "Infinity"}}, "visual_acuity.left_eye.logmar"),
        ({**FOUND, "left_eye": None}, "visual_acuity.left_eye"),
        ({**FOUND, "correction": "monocle"}, "visual_acuity.correction"),
        ({**FOUND, "correction": ""}, "visual_acuity.correction"),
        ({**FOUND, "distance": 299}, "visual_acuity.distance"),
        ({**FOUND, "distance": 10_001}, "visual_acuity.distance"),
        ({**FOUND, "distance": -1}, "visual_acuity.distance"),
        ({**FOUND, "smallest_logmar": 2}, "visual_acuity.smallest_logmar"),
    ],
)
def test_results_out_of_range_are_refused(
    sessions: Served, unique: str, found: Values | None, path: str
) -> None:
    token = acuity_exam(sessions, unique)
    failure = turned_away(sessions, "CompleteExam", exam_token=token, visual_acuity=found)
    assert failure.code == StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == [path]


def test_results_are_of_a_started_acuity_session(sessions: Served, unique: str) -> None:
    glasses = exam(sessions, unique, order={"products": [{"type": "glasses"}]})
    free = exam(sessions, "x" + unique)
    for token in (glasses, free):
        assert why(sessions, "CompleteExam", exam_token=token, visual_acuity=FOUND) == OVER


def test_no_secret_is_logged(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with capture_log() as lines:
        link = link_of(sessions, unique)
        token = enter(sessions, link)
        why(sessions, "GetExam", exam_token="x" + token)
    said = repr(lines())
    assert "DoorService/GetExam" in said
    for secret in (link["token"], token, VISIT, unique):
        assert secret not in said

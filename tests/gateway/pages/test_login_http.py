"""The answers of /login and /exam over HTTP, on both engines."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from gateway import create_app
from sessions_svc.rules.statuses import Status
from tests.chassis.logs import capture_log
from tests.gateway.front import front
from tests.serving import Served
from tests.sessions_svc.bodies import build_user
from tests.sessions_svc.desk import ACUITY_ORDER, bring, get_status, move
from tests.sessions_svc.links import RESULTS, create_link, open_exam

CLOSED_LINK_TEXT = "This link does not open a test"


def expect_closed(answer: Any, status: int) -> None:
    """Assert that the answer is the one page of links that open nothing."""
    assert (answer.status_code, answer.content_type) == (status, "text/html; charset=utf-8")
    assert answer.text.count(CLOSED_LINK_TEXT) == 2
    assert "ask for a new one" in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("status", "button"),
    [
        (Status.CREATED, "Start"),
        (Status.RETAKE_REQUESTED, "Start"),
        (Status.STARTED, "Continue"),
        (Status.AWAITING_CONFIRMATION, "Continue"),
    ],
)
def test_the_button_says_what_it_does(
    http: FlaskClient, sessions: Served, unique: str, status: Status, button: str
) -> None:
    bring(sessions, unique, status)
    said = http.get(f"/login?{urlencode(create_link(sessions, unique))}").text
    assert re.findall(r"<button[^>]*>(.*?)</button>", said) == [button]
    assert re.findall(r'type="radio" name="product" value="(.*?)"', said) == ["glasses", "contacts"]
    assert ("take the test again" in said) == (status == Status.RETAKE_REQUESTED)


def test_what_a_partner_sends_is_text_on_the_page(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    person = build_user(first_name="<b>Tést", last_name='"><script>alert(1)</script>')
    bring(sessions, unique, Status.CREATED, user=person)
    said = http.get(f"/login?{urlencode(create_link(sessions, unique))}").text
    assert "&lt;b&gt;Tést" in said
    assert "<b>" not in said
    assert "<script>" not in said


def test_a_wrong_link_is_404_and_one_that_is_over_410(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    bring(sessions, "y" + unique, Status.CREATED)
    with sessions.clock.at(datetime.now(UTC) - timedelta(minutes=6)):
        old = create_link(sessions, unique)
    good, used = create_link(sessions, unique), create_link(sessions, unique)
    visit = {"visit": "v" * 22}
    assert http.post("/login", data={**used, **visit}).status_code == 303
    foreign = {**good, "session_key": "y" + unique, "user_key": "y" + unique}
    for link, status in (
        ({}, 404),
        ({"token": good["token"]}, 404),
        ({**good, "token": "x"}, 404),
        ({**good, "token": "\0"}, 404),
        ({**good, "user_key": "é" * 9000}, 404),
        (foreign, 404),
        (old, 410),
        (used, 410),
    ):
        expect_closed(http.get("/login", query_string=link), status)
        expect_closed(http.post("/login", data={**link, "visit": "w" * 22}), status)
    expect_closed(http.post("/login", data=good), 404)
    expect_closed(http.post("/login", data=b"\xff=\xff&%ff", content_type="text/plain"), 404)
    assert http.get("/login", query_string=good).status_code == 200
    with sessions.clock.at(datetime.now(UTC) + timedelta(minutes=6)):
        expect_closed(http.get("/login", query_string=good), 410)


def test_an_exam_is_opened_by_its_own_cookie_alone(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    token = open_exam(sessions, unique, order=ACUITY_ORDER)
    bring(sessions, "y" + unique, Status.CREATED, order=ACUITY_ORDER)
    entered = http.post("/login", data={**create_link(sessions, "y" + unique), "visit": "v" * 22})
    path = entered.headers["Location"]
    cookie = entered.headers["Set-Cookie"]
    assert re.fullmatch(r"/exam/[0-9a-f]{16}", path)
    attributes = [each for each in cookie.split("; ")[1:] if not each.startswith("Expires=")]
    assert attributes == ["HttpOnly", f"Path={path}", "SameSite=Lax"]
    own = cookie.split(";")[0].removeprefix("exam=")
    client = http.application.test_client(use_cookies=False)
    for sent, status in ((own, 200), (token, 404), ("", 404), ("x", 404)):
        answer = client.get(path, headers={"Cookie": f"exam={sent}"})
        assert answer.status_code == status
    answer = client.get(path)
    expect_closed(answer, 404)
    with sessions.clock.at(datetime.now(UTC) + timedelta(hours=5)):
        expect_closed(client.get(path, headers={"Cookie": f"exam={own}"}), 410)
        expect_closed(client.post("/exam/return", data={"exam_token": own}), 410)
    expect_closed(client.post("/exam/return", data={"exam_token": "x"}), 404)
    expect_closed(client.post("/exam/return"), 404)


def test_the_cookie_is_secure_where_the_site_is(
    http: FlaskClient, sessions: Served, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(http.application.config, "PUBLIC_URL", "https://optics.example")
    bring(sessions, unique, Status.CREATED)
    entered = http.post("/login", data={**create_link(sessions, unique), "visit": "v" * 22})
    assert "Secure" in entered.headers["Set-Cookie"].split("; ")


def test_results_are_read_strictly(http: FlaskClient, sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    path = http.post("/login", data={**create_link(sessions, unique), "visit": "v" * 22}).location
    for body, status in (
        ("{}", 400),
        ("[]", 400),
        ("{", 400),
        ('{"visual_acuity": {"right_eye": {"logmar": "0"}}}', 400),
        ('{"visual_acuity": {"right_eye": {"logmar": 9}, "left_eye": {}}}', 400),
        ('{"exam_token": "x"}', 400),
    ):
        answer = http.post(f"{path}/results", data=body)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert get_status(sessions, unique) == "started"
    sent = {"visual_acuity": RESULTS}
    assert http.post("/exam/0123456789abcdef/results", json=sent).status_code == 404
    assert http.post(f"{path}/results", json=sent).status_code == 204
    assert http.post(f"{path}/results", json=sent).status_code == 204
    said = http.get(path).text
    assert "20/25" in said
    assert "Not read" in said
    assert "screening, not a diagnosis" in said


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.AWAITING_REVIEW, "A doctor will review it next"),
        (Status.RETAKE_REQUESTED, "take the test again"),
        (Status.APPROVED, "prescription has been issued"),
        (Status.REFERRED, "see an eye doctor or optometrist"),
    ],
)
def test_a_returning_person_sees_the_state_of_the_test(
    http: FlaskClient, sessions: Served, unique: str, status: Status, words: str
) -> None:
    bring(sessions, unique, Status.STARTED)
    link = create_link(sessions, unique, "https://partner.com/?a=[1]#end")
    path = http.post("/login", data={**link, "visit": "v" * 22}).location
    if status == Status.REFERRED:
        move(sessions, "Refer", unique)
    else:
        move(sessions, "SubmitExam", unique)
    if status in (Status.APPROVED, Status.RETAKE_REQUESTED):
        rpc = "Approve" if status == Status.APPROVED else "RequestRetake"
        move(sessions, rpc, unique)
    said = http.get(path).text
    assert words in said
    state = f"user_key={unique}&amp;session_key={unique}&amp;status={status}#end"
    assert f'href="https://partner.com/?a=[1]&amp;{state}"' in said
    assert "Continue to partner.com" in said
    cookie = http.get_cookie("exam", path=path)
    assert cookie is not None
    back = http.post("/exam/return", data={"exam_token": cookie.value})
    assert back.status_code == 303
    assert back.headers["Location"] == f"https://partner.com/?a=[1]&{state}".replace("&amp;", "&")


def test_every_answer_keeps_to_itself(http: FlaskClient, sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    link = create_link(sessions, unique)
    door = http.get("/login", query_string=link)
    entered = http.post("/login", data={**link, "visit": "v" * 22})
    for answer in (door, entered, http.get(entered.location), http.get("/login")):
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
    policy = door.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert http.head("/login", query_string=create_link(sessions, unique)).status_code == 200


def test_no_secret_is_logged(http: FlaskClient, sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with capture_log() as lines:
        link = create_link(sessions, unique)
        http.get("/login", query_string=link)
        entered = http.post("/login", data={**link, "visit": "v" * 22})
        http.get(entered.location)
        http.get("/login", query_string=link)
    said = repr(lines())
    assert "'route': '/exam/<exam>'" in said
    token = entered.headers["Set-Cookie"].split(";")[0].removeprefix("exam=")
    for secret in (link["token"], token, "v" * 22, unique):
        assert secret not in said


def test_a_dead_service_is_a_page_too() -> None:
    with front() as client:
        answer = client.get("/login?token=x")
        assert (answer.status_code, answer.content_type) == (503, "text/html; charset=utf-8")
        assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "url", ["exam.example", "ftp://a.b", "https://", "https://a.b/#x", "/exam"]
)
def test_a_bad_exam_url_stops_the_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_EXAM_URL", url)
    with pytest.raises(SystemExit, match="GATEWAY_EXAM_URL"):
        create_app()


def test_an_exam_that_is_not_set_up_is_in_the_log_and_not_on_the_page(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    entered = http.post("/login", data={**create_link(sessions, unique), "visit": "v" * 22})
    with capture_log() as lines:
        said = http.get(entered.location).text
    assert "EXAM_URL_NOT_SET" in repr(lines())
    assert "The test is not set up yet" in said
    assert "EXAM_URL" not in said

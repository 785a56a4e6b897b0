"""POST /api/v2/partners/authentications over HTTP, on both engines."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sessions_svc.rules.statuses import Status
from tests.chassis.logs import capture_log
from tests.serving import Served, build_basic
from tests.sessions_svc.desk import bring

URL = "/api/v2/partners/authentications"
PARTNER = {"Authorization": build_basic("demo-partner")}
NOON = datetime(2026, 6, 15, 12, 0, 0, 987654, tzinfo=UTC)


def post(http: FlaskClient, sent: Any, **headers: str) -> TestResponse:
    data = sent if isinstance(sent, (str, bytes)) else json.dumps(sent)
    return http.post(URL, data=data, headers={**PARTNER, **headers})


def read_errors(answer: TestResponse) -> Any:
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    return answer.get_json()["errors"]


def build_keys(key: str) -> dict[str, str]:
    return {"user_key": key, "session_key": key}


def test_it_works(http: FlaskClient, sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        answer = post(http, {**build_keys(unique), "redirect_url": "https://partner.com/thankyou"})
    assert (answer.status_code, answer.content_type) == (201, "application/json")
    said = answer.get_json()
    link = urlsplit(said.pop("link"))
    assert said == {"expires_at": "2026-06-15T12:05:00Z"}
    assert f"{link.scheme}://{link.netloc}{link.path}" == "http://127.0.0.1:8080/login"
    query = dict(parse_qsl(link.query))
    assert len(query.pop("token")) == 43
    assert query == build_keys(unique)


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_redirect_url_is_no_fault(
    http: FlaskClient, sessions: Served, unique: str, nothing: str | None
) -> None:
    bring(sessions, unique, Status.CREATED)
    assert post(http, {**build_keys(unique), "redirect_url": nothing}).status_code == 201


def test_an_idempotency_key_gets_the_same_link(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    first, second = (
        post(http, build_keys(unique), **{"Idempotency-Key": unique}) for _ in range(2)
    )
    assert (first.status_code, first.get_json()) == (second.status_code, second.get_json())
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    other = {**build_keys(unique), "redirect_url": "https://example.com/"}
    assert post(http, other, **{"Idempotency-Key": unique}).status_code == 422


def test_an_unknown_session_is_404_and_an_ended_one_422(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CANCELLED)
    other = http.post(
        URL, json=build_keys(unique), headers={"Authorization": build_basic("other-partner")}
    )
    unknown = post(http, build_keys("x" + unique))
    ended = post(http, build_keys(unique))
    for answer, status, title in (
        (other, 404, "Not Found"),
        (unknown, 404, "Not Found"),
        (ended, 422, "Unprocessable Entity"),
    ):
        assert answer.status_code == status
        assert answer.content_type == "application/problem+json"
        assert answer.get_json()["title"].startswith(title.split()[0])


def test_strangers_learn_nothing(http: FlaskClient) -> None:
    for sent in (build_keys("a"), {}, "{", '{"x": 1}'):
        answer = http.post(URL, data=sent if isinstance(sent, str) else json.dumps(sent))
        assert answer.status_code == 401
        assert "errors" not in answer.get_json()


def test_every_fault_is_named(http: FlaskClient, sessions: Served, unique: str) -> None:
    key = "Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"
    assert read_errors(post(http, {"user_key": "a b", "redirect_url": "http://a.b"})) == {
        "user_key": [key],
        "session_key": ["Missing data for required field."],
        "redirect_url": ["Must be an https URL, or an http URL on loopback."],
    }
    assert read_errors(post(http, {"user_key": 1, "session_key": [], "redirect": "x"})) == {
        "user_key": ["Expected `string`, got `integer`"],
        "session_key": ["Expected `string`, got `array`"],
        "redirect": ["Unknown field."],
    }
    twice = '{"user_key": "a", "user_key": "b", "session_key": "c"}'
    assert read_errors(post(http, twice)) == {"user_key": ["Duplicate key in one object."]}
    assert list(
        read_errors(post(http, {**build_keys(unique), "redirect_url": "https://a.b/\0"}))
    ) == ["redirect_url"]


def test_no_link_is_logged(http: FlaskClient, sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with capture_log() as lines:
        link = post(http, build_keys(unique)).get_json()["link"]
    said = repr(lines())
    assert URL in said
    assert dict(parse_qsl(urlsplit(link).query))["token"] not in said

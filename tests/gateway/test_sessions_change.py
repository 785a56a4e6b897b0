"""PUT and DELETE /sessions over HTTP, on both engines."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sessions_svc.rules.statuses import Status
from tests.gateway.session_calls import (
    BEYOND_LIMITS,
    DISQUALIFIED,
    NOON,
    OTHER_PARTNER,
    PARTNER,
    SESSIONS,
    check_problem,
    read_faults,
    read_malformed,
)
from tests.serving import Served
from tests.sessions_svc.desk import bring, get_status

EXAM_BEGUN_TEXT = "The exam has begun, or the session has ended."
DUPLICATE_KEY = "Duplicate key in one object."
UNKNOWN_SESSION_TEXT = "You have no such session of this user."
CREATED = "2026-06-15T12:00:00Z"
LATER_STATUSES = [each for each in Status if each is not Status.CREATED]


@pytest.fixture
def demo(body: Any, unique: str) -> dict[str, Any]:
    """The demo body with keys of its own."""
    changed: dict[str, Any] = {**body("session"), "user_key": unique, "session_key": unique}
    return changed


def send(
    http: FlaskClient, method: str, sent: Any, headers: dict[str, str] = PARTNER
) -> TestResponse:
    """Return the answer to a body; text is sent unchanged."""
    data = sent if isinstance(sent, str) else json.dumps(sent)
    return http.open(SESSIONS, method=method, data=data, headers=headers)


def build_keys(unique: str) -> dict[str, str]:
    """The body of a DELETE."""
    return {"user_key": unique, "session_key": unique}


def test_a_put_works(http: FlaskClient, sessions: Served, demo: Any, unique: str) -> None:
    with sessions.clock.at(NOON):
        bring(sessions, unique, Status.CREATED)
    answer = send(http, "PUT", demo)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == {**build_keys(unique), "status": "created", "created_at": CREATED}


def test_a_delete_works(http: FlaskClient, sessions: Served, unique: str) -> None:
    with sessions.clock.at(NOON):
        bring(sessions, unique, Status.CREATED)
    answer = send(http, "DELETE", build_keys(unique))
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == {**build_keys(unique), "status": "cancelled", "created_at": CREATED}
    assert get_status(sessions, unique) == "cancelled"


@pytest.mark.parametrize("status", LATER_STATUSES)
def test_neither_is_possible_later(
    http: FlaskClient, sessions: Served, demo: Any, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    before = sessions.rows()
    answer = send(http, "PUT", demo)
    assert check_problem(answer, 422, "Unprocessable Entity", EXAM_BEGUN_TEXT) == {}
    detail = "The session's status does not let it become cancelled."
    answer = send(http, "DELETE", build_keys(unique))
    assert check_problem(answer, 422, "Unprocessable Entity", detail) == {}
    assert sessions.rows() == before


def test_a_user_who_no_longer_qualifies_gets_every_reason(
    http: FlaskClient, sessions: Served, demo: Any, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    before = sessions.rows()
    person = {**demo["user"], **BEYOND_LIMITS["user"]}
    answer = send(http, "PUT", {**demo, **BEYOND_LIMITS, "user": person})
    detail = "This person does not qualify for the service."
    assert check_problem(answer, 403, "Forbidden", detail) == DISQUALIFIED
    assert sessions.rows() == before


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    ("changed", "headers"),
    [
        ({"session_key": "unknown"}, PARTNER),
        ({"user_key": "another"}, PARTNER),
        ({"store_id": None, "prescriptions": None}, OTHER_PARTNER),
    ],
)
def test_what_the_partner_does_not_have_is_not_found(
    http: FlaskClient,
    sessions: Served,
    demo: Any,
    unique: str,
    method: str,
    changed: Any,
    headers: Any,
) -> None:
    bring(sessions, unique, Status.CREATED)
    before = sessions.rows()
    sent = {**demo, **changed}
    sent = sent if method == "PUT" else {name: sent[name] for name in build_keys(unique)}
    answer = send(http, method, sent, headers)
    assert check_problem(answer, 404, "Not Found", UNKNOWN_SESSION_TEXT) == {}
    assert sessions.rows() == before


def test_a_put_names_all_faults_at_once(http: FlaskClient, sessions: Served, demo: Any) -> None:
    before = sessions.rows()
    demo["user"] |= {"birthdate": "2999-01-01", "email": None}
    demo["prescriptions"][1]["left_eye"] = None
    sent = {**demo, "session_key": "a b", "store_id": "store_9999", "partner_info": []}
    assert read_faults(send(http, "PUT", sent)).keys() == {
        "session_key",
        "user.email",
        "user.birthdate",
        "store_id",
        "partner_info",
        "prescriptions.1.left_eye",
    }
    assert sessions.rows() == before


@pytest.mark.parametrize("sent", ["", "{}", '{"user_key": null, "session_key": ""}'])
def test_a_delete_requires_both_keys(http: FlaskClient, sent: str) -> None:
    required = ["Missing data for required field."]
    expected = {"user_key": required, "session_key": required}
    assert read_faults(send(http, "DELETE", sent)) == expected


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("{", {"": ["The body is not JSON in UTF-8."]}),
        ("[]", {"": ["Expected an object."]}),
        ('{"user_key": 1}', {"user_key": ["Expected `str`, got `int`"]}),
        (
            '{"user_key": "a", "user_key": "a"}',
            {"user_key": ["Duplicate key in one object."]},
        ),
        ('{"status": "approved"}', {"status": ["Unknown field."]}),
    ],
)
def test_a_malformed_body_is_refused_by_path(
    http: FlaskClient, method: str, sent: str, expected: dict[str, list[str]]
) -> None:
    assert read_malformed(send(http, method, sent)) == expected


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("sent", ["{}", "{", '{"colour": 1}'])
def test_strangers_learn_nothing(http: FlaskClient, method: str, sent: str) -> None:
    answer = send(http, method, sent, {})
    detail = "Send the name and secret of an account of this service."
    assert check_problem(answer, 401, "Unauthorized", detail) == {}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_answer_is_replayed_to_its_key(
    http: FlaskClient, sessions: Served, demo: Any, unique: str, method: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    sent = demo if method == "PUT" else build_keys(unique)
    headers = {**PARTNER, "Idempotency-Key": unique}
    first, again = (send(http, method, sent, headers) for _ in range(2))
    assert (again.status_code, again.get_data()) == (200, first.get_data())
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_cancelled_key_stays_taken(
    http: FlaskClient, sessions: Served, demo: Any, unique: str
) -> None:
    bring(sessions, unique, Status.CANCELLED)
    assert send(http, "POST", demo).status_code == 409

"""/api/v2/partners over HTTP, on both engines."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from sessions_svc.store import tables
from tests.gateway.session_calls import (
    BEYOND_LIMITS,
    DISQUALIFIED,
    NOON,
    OTHER_PARTNER,
    PARTNER,
    QUALIFICATIONS,
    SESSIONS,
    check_problem,
    post,
    read_faults,
    read_malformed,
)
from tests.serving import Served, build_basic


@pytest.fixture
def demo(body: Any, unique: str) -> dict[str, Any]:
    """The demo body with keys of its own."""
    changed: dict[str, Any] = {**body("session"), "user_key": unique, "session_key": unique}
    return changed


def find_session(sessions: Served, session_key: str) -> Any:
    """The stored session, or None."""
    query = select(tables.sessions).where(tables.sessions.c.session_key == session_key)
    with sessions.database.read() as tx:
        return tx.execute(query).one_or_none()


def test_it_works(http: FlaskClient, sessions: Served, demo: Any, unique: str) -> None:
    with sessions.clock.at(NOON):
        answer = post(http, demo)
    assert answer.status_code == 201
    assert answer.content_type == "application/json"
    assert answer.headers["Location"] == f"{SESSIONS}?user_key={unique}&session_key={unique}"
    assert answer.get_json() == {
        "user_key": unique,
        "session_key": unique,
        "status": "created",
        "created_at": "2026-06-15T12:00:00Z",
    }


def test_the_location_is_a_url_whatever_the_keys(http: FlaskClient, unique: str) -> None:
    user = {"email": "a@example.com", "first_name": "A", "last_name": "B"}
    keys = {"user_key": "a:b", "session_key": f"{unique}._:-"}
    answer = post(http, {**keys, "user": {**user, "birthdate": "1988-01-01", "region": "IL"}})
    expected = f"{SESSIONS}?user_key=a%3Ab&session_key={unique}._%3A-"
    assert answer.headers["Location"] == expected


def test_a_session_key_is_used_once(http: FlaskClient, demo: Any) -> None:
    post(http, demo)
    answer = post(http, {**demo, "user_key": "another"})
    said = check_problem(answer, 409, "Conflict", "A session has this session_key.")
    message = "Must be a key that none of your sessions has."
    assert said == {"errors": {"session_key": [message]}}


def test_another_partner_may_use_the_same_keys(http: FlaskClient, demo: Any) -> None:
    del demo["store_id"], demo["prescriptions"]
    assert post(http, demo).status_code == 201
    assert post(http, demo, headers=OTHER_PARTNER).status_code == 201


def test_a_user_who_does_not_qualify_gets_every_reason(
    http: FlaskClient, sessions: Served, demo: Any
) -> None:
    before = sessions.rows()
    person = {**demo["user"], **BEYOND_LIMITS["user"]}
    answer = post(http, {**demo, **BEYOND_LIMITS, "user": person})
    detail = "This person does not qualify for the service."
    assert check_problem(answer, 403, "Forbidden", detail) == DISQUALIFIED
    assert sessions.rows() == before
    assert post(http, demo).status_code == 201


def test_a_qualification_says_yes(http: FlaskClient, sessions: Served, demo: Any) -> None:
    before = sessions.rows()
    person = {name: demo["user"][name] for name in ("birthdate", "region")}
    asked = {"user": person, "prescriptions": demo["prescriptions"]}
    answer = post(http, asked, QUALIFICATIONS)
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.get_json() == {"qualifies": True, "disqualifications": []}
    assert sessions.rows() == before


def test_a_qualification_says_no_with_every_reason(http: FlaskClient) -> None:
    answer = post(http, BEYOND_LIMITS, QUALIFICATIONS)
    assert (answer.status_code, answer.get_json()) == (200, DISQUALIFIED)


def test_all_faults_are_named_at_once(http: FlaskClient, sessions: Served, demo: Any) -> None:
    before = sessions.rows()
    demo["user"] |= {"birthdate": "2999-01-01", "email": None}
    demo["order"] = {"charged_amount": -1, "products": [{"type": "contacts"}, {"type": "lasik"}]}
    demo["store_id"] = "store_9999"
    demo["prescriptions"][0]["left_eye"] |= {"axis": 181, "pupillary_distance": 30}
    demo["prescriptions"][1]["right_eye"] = None
    assert read_faults(post(http, demo)) == {
        "user.email": ["Missing data for required field."],
        "user.birthdate": ["Must not be in the future."],
        "order.charged_amount": ["Must be 0 or more, in the smallest currency unit."],
        "order.charged_currency": ["Required with charged_amount."],
        "order.products.1.type": ["Must be one of: glasses, contacts, acuity-service."],
        "store_id": ["Must be an enabled store of this partner."],
        "prescriptions.0.left_eye.axis": ["Must be from 1 to 180 degrees."],
        "prescriptions.0.left_eye.pupillary_distance": ["Not a field of contacts."],
        "prescriptions.1.right_eye": ["Required: a glasses prescription has both eyes."],
    }
    assert sessions.rows() == before


@pytest.mark.parametrize("url", [SESSIONS, QUALIFICATIONS])
@pytest.mark.parametrize("sent", ["{}", "", "{", '{"user_key": 1}'])
@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !",
        "Bearer abc",
        build_basic("demo-partner", "wrong"),
        build_basic("nobody"),
    ],
)
def test_strangers_learn_nothing(
    http: FlaskClient, url: str, sent: str, authorization: str
) -> None:
    answer = post(http, sent, url, {"Authorization": authorization} if authorization else {})
    detail = "Send the name and secret of an account of this service."
    assert check_problem(answer, 401, "Unauthorized", detail) == {}
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="optigate", charset="UTF-8"'


def test_the_staff_is_no_partner(http: FlaskClient, demo: Any) -> None:
    answer = post(http, demo, headers={"Authorization": build_basic("demo-staff")})
    said = check_problem(answer, 403, "Forbidden", "This needs an account with role client.")
    assert said == {}


def test_an_answer_is_replayed_to_its_key(http: FlaskClient, demo: Any, unique: str) -> None:
    headers = {**PARTNER, "Idempotency-Key": unique}
    first, again = (post(http, demo, headers=headers) for _ in range(2))
    assert (again.status_code, again.get_data()) == (201, first.get_data())
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_key_is_not_for_another_request(http: FlaskClient, demo: Any, unique: str) -> None:
    headers = {**PARTNER, "Idempotency-Key": unique}
    post(http, demo, headers=headers)
    answer = post(http, {**demo, "session_key": "x" + unique}, headers=headers)
    said = check_problem(
        answer, 422, "Unprocessable Entity", "The idempotency key was used before."
    )
    message = "Was used for another request; use a new key."
    assert said == {"errors": {"Idempotency-Key": [message]}}


@pytest.mark.parametrize("amount", [None, 0, 6000])
def test_a_null_amount_and_zero_stay_different(
    http: FlaskClient, sessions: Served, demo: Any, unique: str, amount: int | None
) -> None:
    demo["order"]["charged_amount"] = amount
    assert post(http, demo).status_code == 201
    assert find_session(sessions, unique).charged_amount == amount


def test_null_counts_as_absent(http: FlaskClient, sessions: Served, demo: Any, unique: str) -> None:
    contacts, glasses = demo["prescriptions"]
    contacts |= {"left_eye": None, "issue_date": None, "verification": None}
    contacts["right_eye"] |= {"add": None, "dominance": None, "cylinder": None, "axis": None}
    demo |= {"order": None, "store_id": None, "partner_info": None}
    assert post(http, demo).status_code == 201
    row = find_session(sessions, unique)
    assert (row.charged_currency, row.products, row.store_id, row.partner_info) == (
        *(None, [], None, None),
    )
    right = {"product_key": "example1", "sphere": -1.0, "base_curve": 8.7, "diameter": 14.1}
    eye = {name: value for name, value in glasses["left_eye"].items() if name != "add"}
    assert row.prescriptions == [
        {
            "type": "contacts",
            "verification": "unverified",
            "expiration_date": "2018-07-04",
            "right_eye": right,
        },
        {"type": "glasses", "verification": "unverified", "right_eye": eye, "left_eye": eye},
    ]
    for name in ("prescriptions", "user"):
        demo[name] = None
    assert read_faults(post(http, demo)) == {"user": ["Missing data for required field."]}


def set_info(demo: Any, info: str) -> str:
    """Return the body with this text as its partner_info."""
    return json.dumps({**demo, "partner_info": 0}).replace(
        '"partner_info": 0', f'"partner_info": {info}'
    )


def pad_info(length: int) -> str:
    """An object of this many characters, most of them spaces between its tokens."""
    return '{"é":' + " " * (length - 7) + "1}"


@pytest.mark.parametrize(
    "info",
    [
        '{ "n" :1.0, "big":123456789012345678901234567890, "e":1E+2 }',
        '{"digits":' + "9" * 5000 + "}",
        '{"a":"\\u0041\\u0000", "a":{"a":[]}}',
        pad_info(19_999),
    ],
    ids=["numbers", "digits", "escapes", "longest"],
)
def test_partner_info_is_kept_letter_by_letter(
    http: FlaskClient, sessions: Served, demo: Any, unique: str, info: str
) -> None:
    assert len(info) < 20_000
    assert post(http, set_info(demo, info).encode()).status_code == 201
    assert find_session(sessions, unique).partner_info == info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (pad_info(20_000), "Must be under 20,000 characters as JSON text."),
        ("[]", "Must be a JSON object."),
        ('"{}"', "Must be a JSON object."),
        ("0", "Must be a JSON object."),
        ("false", "Must be a JSON object."),
        ('{"a":' * 101 + "1" + "}" * 101, "Must not be nested deeper than 100 levels."),
    ],
    ids=["longer", "array", "text", "number", "false", "deep"],
)
def test_partner_info_is_a_small_json_object(
    http: FlaskClient, demo: Any, info: str, message: str
) -> None:
    assert read_faults(post(http, set_info(demo, info).encode())) == {"partner_info": [message]}


METHODS = "DELETE, GET, HEAD, OPTIONS, POST, PUT"
NOT_JSON = {"": ["The body is not JSON in UTF-8."]}
TOO_DEEP = {"": ["The body is nested too deep."]}
DUPLICATE_KEY = ["Duplicate key in one object."]
UNKNOWN_FIELD = ["Unknown field."]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"{", NOT_JSON),
        (b"{} {}", NOT_JSON),
        (b"\xff", NOT_JSON),
        (b'{"user_key": "\xff"}', NOT_JSON),
        (b'{"user_key": "\\ud800"}', NOT_JSON),
        (b'{"prescriptions": [{"right_eye": {"sphere": NaN}}]}', NOT_JSON),
        (b'{"partner_info": {"a": NaN}}', NOT_JSON),
        (b"[" * 5000, TOO_DEEP),
        (b'{"partner_info": ' + b"[" * 5000 + b"]" * 5000 + b"}", TOO_DEEP),
        (b"[]", {"": ["Expected an object."]}),
        (b"null", {"": ["Expected an object."]}),
        (b'{"user_key": "a", "user_key": "b"}', {"user_key": DUPLICATE_KEY}),
        (b'{"user_key": "a", "user\\u005fkey": "b"}', {"user_key": DUPLICATE_KEY}),
        (b'{"partner_info": {}, "partner_info": {}}', {"partner_info": DUPLICATE_KEY}),
        (
            b'{"prescriptions": [{}, {"left_eye": {"axis": 1, "axis": 2}}]}',
            {"prescriptions.1.left_eye.axis": DUPLICATE_KEY},
        ),
        (
            b'{"colour": 1, "user": {"age": 38}, "prescriptions": [{"left_eye": {"cylnder": 1}}]}',
            {
                "colour": UNKNOWN_FIELD,
                "user.age": UNKNOWN_FIELD,
                "prescriptions.0.left_eye.cylnder": UNKNOWN_FIELD,
            },
        ),
        (
            b'{"user_key": 1, "user": [], "order": {"charged_amount": 60.5}, "prescriptions": {}}',
            {
                "user_key": ["Expected `str`, got `int`"],
                "user": ["Expected an object."],
                "order.charged_amount": ["Expected `int`, got `float`"],
                "prescriptions": ["Expected an array."],
            },
        ),
    ],
)
def test_a_malformed_body_is_refused_by_path(
    http: FlaskClient, sessions: Served, sent: bytes, expected: dict[str, list[str]]
) -> None:
    before = sessions.rows()
    assert read_malformed(post(http, sent)) == expected
    assert sessions.rows() == before


@pytest.mark.parametrize(
    ("name", "path"), [("first_name", "user.first_name"), ("session_key", "session_key")]
)
def test_a_nul_is_refused(http: FlaskClient, demo: Any, name: str, path: str) -> None:
    (demo["user"] if name in demo["user"] else demo)[name] = "a\0b"
    found = read_faults(post(http, demo))
    assert found.keys() == {path}
    assert found[path][0] == "Control characters are not allowed."


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "headers"),
    [
        ("GET", "/nowhere", 404, "Not Found", {}),
        (
            "PATCH",
            "/sessions",
            405,
            "Method Not Allowed",
            {"Allow": "DELETE, GET, HEAD, OPTIONS, POST, PUT"},
        ),
        ("POST", "/sessions", 413, "Request Entity Too Large", {}),
    ],
)
def test_the_rest_is_refused_in_the_same_form(
    http: FlaskClient, method: str, path: str, status: int, title: str, headers: dict[str, str]
) -> None:
    body = b" " * (1024 * 1024) + b"{}"
    answer = http.open("/api/v2/partners" + path, method=method, data=body, headers=PARTNER)
    assert check_problem(answer, status, title, answer.get_json()["detail"]) == {}
    assert headers.items() <= dict(answer.headers).items()


def test_no_answer_repeats_what_was_sent(http: FlaskClient, demo: Any) -> None:
    demo["user"] |= {"email": "Sphinx", "region": "Sphinx", "birthdate": "Sphinx"}
    demo["store_id"] = "Sphinx"
    answer = post(http, demo)
    assert len(answer.get_json()["errors"]) == 4
    assert b"Sphinx" not in answer.get_data()

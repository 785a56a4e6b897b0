"""What every route shares: the request id, and a log line without personal data."""

import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.chassis.logs import capture_log
from tests.gateway.front import CALLER, GET, POST
from tests.serving import SERVICES

SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
pytestmark = SQLITE
CANARY = "Canaryfirst"
# Where each dialect's demo body has data of a person.
PERSONAL: dict[str, list[tuple[str, ...]]] = {
    "sessions": [("user", "first_name"), ("user", "last_name")],
    "orders": [("patient", "first_name"), ("patient", "last_name"), ("special_instructions",)],
    "subscriptions": [("given_names",), ("surnames",), ("address",), ("city",)],
}
BODY = {"sessions": "session", "orders": "order", "subscriptions": "subscription"}


def build_canaries(body: Any, dialect: str, unique: str, **more: Any) -> bytes:
    """Return the demo body of a dialect with a canary in place of every name."""
    sent = body(BODY[dialect])
    for *blocks, name in PERSONAL[dialect]:
        block = sent
        for each in blocks:
            block = block[each]
        block[name] = CANARY
    own = {"sessions": ("user_key", "session_key"), "subscriptions": ("reference",)}
    return json.dumps(sent | dict.fromkeys(own.get(dialect, ()), unique) | more).encode()


def test_it_works(http: FlaskClient) -> None:
    with capture_log() as lines:
        found = http.get(GET["orders"], headers={**CALLER["orders"], "X-Request-Id": "req-1"})
    assert found.headers["X-Request-Id"] == "req-1"
    behind, line = lines()
    assert {name: line[name] for name in ("event", "request_id", "method", "route", "status")} == {
        "event": "request",
        "request_id": "req-1",
        "method": "GET",
        "route": "/v1/labs",
        "status": 200,
    }
    assert (behind["event"], behind["request_id"]) == ("rpc", "req-1")
    assert behind["account"] == "demo-client"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/livez", 200), ("/readyz", 200), ("/nothing", 404), ("/v1/nothing", 404), ("/v1/labs", 401)],
)
def test_every_answer_has_an_id(http: FlaskClient, path: str, status: int) -> None:
    kept = http.get(path, headers={"X-Request-Id": "A.b_c-9"})
    assert (kept.status_code, kept.headers["X-Request-Id"]) == (status, "A.b_c-9")
    made = {http.get(path).headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in made)


@pytest.mark.parametrize("asked", ["", "a b", "x" * 129, "é", "a,b", "<script>"])
def test_an_id_of_another_form_is_replaced(http: FlaskClient, asked: str) -> None:
    with capture_log() as lines:
        found = http.get(GET["orders"], headers={**CALLER["orders"], "X-Request-Id": asked})
    made = found.headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert {line["request_id"] for line in lines()} == {made}


def test_a_line_has_the_route_and_not_the_path(http: FlaskClient) -> None:
    with capture_log() as lines:
        http.get(f"/v1/labs/{CANARY}/order_settings?account_number={CANARY}&{CANARY}={CANARY}")
        http.get(f"/v1/{CANARY}")
    assert [line["route"] for line in lines() if line["event"] == "request"] == [
        "/v1/labs/<lab>/order_settings",
        None,
    ]
    assert CANARY not in json.dumps(lines())


@pytest.mark.parametrize("dialect", SERVICES)
def test_no_line_holds_data_of_a_person(
    http: FlaskClient, dialect: str, body: Any, unique: str, capsys: Any
) -> None:
    accepted = build_canaries(body, dialect, unique)
    bodies = [
        (accepted, 201),
        (build_canaries(body, dialect, f"{unique}-2", Canaryfirst=CANARY), 400),
        (accepted[:-20], 400),
        (accepted.replace(b'"' + CANARY.encode() + b'"', b'"Canaryfirst\\u0000"'), 400),
        (accepted.replace(b'"' + CANARY.encode() + b'"', b'["Canaryfirst"]'), 400),
    ]
    with capture_log() as lines:
        for sent, status in bodies:
            headers = {**CALLER[dialect], "Idempotency-Key": f"{unique}{len(sent)}"}
            answer = http.post(POST[dialect], data=sent, headers=headers)
            assert answer.status_code == status, answer.text
            if status == 201:
                again = http.post(POST[dialect], data=sent, headers=headers)
                assert (again.status_code, again.data) == (201, answer.data)
                assert again.headers["Idempotent-Replayed"] == "true"
                assert again.headers.get("Location") == answer.headers.get("Location")
            elif b'"Canaryfirst":' not in sent:  # an unknown field is named
                assert CANARY not in answer.text
    assert len(lines()) >= 2 * len(bodies)
    captured = capsys.readouterr()
    assert CANARY not in json.dumps(lines()) + captured.out + captured.err


@pytest.mark.parametrize("dialect", SERVICES)
def test_a_crash_leaves_no_data_of_a_person(
    http: FlaskClient, dialect: str, body: Any, unique: str, monkeypatch: Any, capsys: Any
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("chassis.server.idempotency.IdempotencyKeys.save", crash)
    with capture_log() as lines:
        broken = http.post(
            POST[dialect], data=build_canaries(body, dialect, unique), headers=CALLER[dialect]
        )
    assert broken.status_code == 500
    captured = capsys.readouterr()
    assert CANARY not in broken.text + json.dumps(lines()) + captured.out + captured.err
    assert [line["event"] for line in lines()] == ["rpc", "request"]
    assert lines()[0]["error"] == "RuntimeError"

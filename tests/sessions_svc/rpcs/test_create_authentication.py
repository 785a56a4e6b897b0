"""CreateAuthentication: links into the exam, called directly over gRPC on both engines."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import pytest
from google.protobuf.json_format import ParseDict
from grpc import StatusCode

from chassis.errors import IDEMPOTENCY_MISMATCH, Fault
from protos.sessions_pb2 import CancelSessionRequest, CreateAuthenticationRequest
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import REQUIRED, Values
from tests.sessions_svc.desk import bring
from tests.sessions_svc.links import call_door, create_link, enter_exam

NOON = datetime(2026, 6, 15, 12, 0, 0, 900_000, UTC)
ENDED = (Status.APPROVED, Status.REFERRED, Status.CANCELLED, Status.COMPLETED)
NOT_SAFE = "Must be an https URL, or an http URL on loopback."


def build_request(key: str, **fields: str) -> CreateAuthenticationRequest:
    return CreateAuthenticationRequest(**{"user_key": key, "session_key": key, **fields})


def test_it_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        made = sessions.call("CreateAuthentication", build_request(unique))
    assert made.link.startswith("http://127.0.0.1:8080/login?")
    query = dict(parse_qsl(urlsplit(made.link).query))
    assert list(query) == ["session_key", "user_key", "token"]
    assert (query["session_key"], query["user_key"]) == (unique, unique)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", query["token"])
    assert made.expires_at.ToDatetime(UTC) == NOON.replace(microsecond=0) + timedelta(minutes=5)


@pytest.mark.parametrize("status", [each for each in Status if each not in ENDED])
def test_a_session_that_has_not_ended_gets_a_link(
    sessions: Served, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    assert call_door(sessions, "GetDoor", **create_link(sessions, unique)).status == status


@pytest.mark.parametrize("status", ENDED)
def test_a_session_that_has_ended_gets_no_link(
    sessions: Served, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    before = sessions.rows()
    failure = sessions.refusal("CreateAuthentication", build_request(unique))
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert sessions.rows() == before


def test_an_unknown_session_or_one_of_another_partner_is_not_found(
    sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    before = sessions.rows()
    for who, keys in {
        "client": {"session_key": "x" + unique},
        "client ": {"user_key": "x" + unique},
        "other": {},
    }.items():
        failure = sessions.refusal(
            "CreateAuthentication", build_request(unique, **keys), who.strip()
        )
        assert failure.code == StatusCode.NOT_FOUND
    assert sessions.rows() == before


def test_staff_and_strangers_get_no_link(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    for who, code in {"staff": "PERMISSION_DENIED", "": "UNAUTHENTICATED"}.items():
        assert (
            sessions.refusal("CreateAuthentication", build_request(unique), who).code.name == code
        )


def test_every_call_creates_a_new_link_and_each_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    made = [create_link(sessions, unique) for _ in range(3)]
    assert len({each["token"] for each in made}) == 3
    assert len({enter_exam(sessions, each) for each in made}) == 3


def test_concurrent_calls_with_one_idempotency_key_create_one_link(
    sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    ask = partial(
        sessions.call, "CreateAuthentication", build_request(unique), idempotency_key=unique
    )
    with ThreadPoolExecutor(16) as pool:
        answers = [each.result() for each in [pool.submit(ask) for _ in range(16)]]
    assert len({each.SerializeToString() for each in answers}) == 1


def test_an_idempotency_key_returns_its_link_even_after_the_session_has_ended(
    sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        ask = partial(
            sessions.call, "CreateAuthentication", build_request(unique), idempotency_key=unique
        )
        first = ask()
        sessions.call("CancelSession", CancelSessionRequest(user_key=unique, session_key=unique))
    with sessions.clock.at(NOON + timedelta(hours=23)):
        assert ask() == first


def test_an_idempotency_key_is_useless_to_another_request_or_account(
    sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    create_link(sessions, unique, idempotency_key=unique)
    before = sessions.rows()
    for redirect_url in ("https://example.com/", "http://localhost/"):
        other = build_request(unique, redirect_url=redirect_url)
        failure = sessions.refusal("CreateAuthentication", other, idempotency_key=unique)
        assert failure.reason == IDEMPOTENCY_MISMATCH
    failure = sessions.refusal(
        "CreateAuthentication", build_request(unique), "other", idempotency_key=unique
    )
    assert failure.code is StatusCode.NOT_FOUND
    assert sessions.rows() == before


def test_every_fault_is_named_and_nothing_is_stored(sessions: Served) -> None:
    before = sessions.rows()
    bad: Values = {"session_key": "a b", "redirect_url": "http://partner.com/"}
    request = ParseDict(bad, CreateAuthenticationRequest())
    failure = sessions.refusal("CreateAuthentication", request)
    assert failure.code == StatusCode.INVALID_ARGUMENT
    key = "Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"
    assert sorted(failure.faults, key=lambda fault: fault.path) == [
        Fault("redirect_url", NOT_SAFE),
        Fault("session_key", key),
        Fault("user_key", REQUIRED),
    ]
    assert sessions.rows() == before

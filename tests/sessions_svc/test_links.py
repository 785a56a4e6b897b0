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
from chassis.server.accounts import hash_secret
from protos.sessions_pb2 import CancelSessionRequest, CreateAuthenticationRequest
from sessions_svc.rules import Status
from sessions_svc.visits import CREATE_AUTHENTICATION
from tests.serving import Served
from tests.sessions_svc.bodies import REQUIRED, Values, faults
from tests.sessions_svc.desk import bring
from tests.sessions_svc.visits import VISIT, at_door, enter, link_of

NOON = datetime(2026, 6, 15, 12, 0, 0, 900_000, UTC)
ENDED = (Status.APPROVED, Status.REFERRED, Status.CANCELLED, Status.COMPLETED)
KEYS = {"user_key": "user1", "session_key": "session1"}
NOT_SAFE = "Must be an https URL, or an http URL on loopback."
NOT_URL = "Must be a URL; percent-encode what is not a URL character."
NO_HOST = "Must be a URL with a valid host and port."


def asking(key: str, **fields: str) -> CreateAuthenticationRequest:
    return CreateAuthenticationRequest(**{"user_key": key, "session_key": key, **fields})


def test_it_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        made = sessions.call("CreateAuthentication", asking(unique))
    assert made.link.startswith("http://127.0.0.1:8080/login?")
    query = dict(parse_qsl(urlsplit(made.link).query))
    assert list(query) == ["session_key", "user_key", "token"]
    assert (query["session_key"], query["user_key"]) == (unique, unique)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", query["token"])
    assert made.expires_at.ToDatetime(UTC) == NOON.replace(microsecond=0) + timedelta(minutes=5)


@pytest.mark.parametrize("status", [each for each in Status if each not in ENDED])
def test_a_session_that_has_not_ended_has_links(
    sessions: Served, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    assert at_door(sessions, "GetDoor", **link_of(sessions, unique)).status == status


@pytest.mark.parametrize("status", ENDED)
def test_a_session_that_has_ended_has_none(sessions: Served, unique: str, status: Status) -> None:
    bring(sessions, unique, status)
    before = sessions.rows()
    failure = sessions.refusal("CreateAuthentication", asking(unique))
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert sessions.rows() == before


def test_a_session_of_nobody_or_of_another_is_not_found(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    before = sessions.rows()
    for who, keys in {
        "client": {"session_key": "x" + unique},
        "client ": {"user_key": "x" + unique},
        "other": {},
    }.items():
        failure = sessions.refusal("CreateAuthentication", asking(unique, **keys), who.strip())
        assert failure.code == StatusCode.NOT_FOUND
    assert sessions.rows() == before


def test_staff_and_strangers_get_none(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    for who, code in {"staff": "PERMISSION_DENIED", "": "UNAUTHENTICATED"}.items():
        assert sessions.refusal("CreateAuthentication", asking(unique), who).code.name == code


def test_every_call_makes_a_new_link_and_each_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    made = [link_of(sessions, unique) for _ in range(3)]
    assert len({each["token"] for each in made}) == 3
    assert len({enter(sessions, each) for each in made}) == 3


def test_one_key_at_once_makes_one_link(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    ask = partial(sessions.call, "CreateAuthentication", asking(unique), idempotency_key=unique)
    with ThreadPoolExecutor(16) as pool:
        answers = [each.result() for each in [pool.submit(ask) for _ in range(16)]]
    assert len({each.SerializeToString() for each in answers}) == 1


def test_a_key_gets_its_link_also_when_that_was_used_and_the_session_has_ended(
    sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        ask = partial(sessions.call, "CreateAuthentication", asking(unique), idempotency_key=unique)
        first = ask()
        sessions.call("CancelSession", CancelSessionRequest(user_key=unique, session_key=unique))
    with sessions.clock.at(NOON + timedelta(hours=23)):
        assert ask() == first


def test_a_key_of_another_request_or_account_is_no_help(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link_of(sessions, unique, idempotency_key=unique)
    before = sessions.rows()
    for redirect_url in ("https://example.com/", "http://localhost/"):
        other = asking(unique, redirect_url=redirect_url)
        failure = sessions.refusal("CreateAuthentication", other, idempotency_key=unique)
        assert failure.reason == IDEMPOTENCY_MISMATCH
    failure = sessions.refusal(
        "CreateAuthentication", asking(unique), "other", idempotency_key=unique
    )
    assert failure.code is StatusCode.NOT_FOUND
    assert sessions.rows() == before


def test_of_the_secrets_only_hashes_are_kept(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = link_of(sessions, unique, idempotency_key=unique)
    token = enter(sessions, link)
    kept = repr(sessions.rows())
    assert link["token"] not in kept
    assert token not in kept
    assert VISIT not in kept
    assert hash_secret(link["token"]) in kept
    assert hash_secret(token) in kept


def test_links_that_are_over_are_forgotten_with_the_next(sessions: Served, unique: str) -> None:
    def kept() -> int:
        hashes = {hash_secret(each["token"]) for each in (unused, used, link)}
        return sum(row[0] in hashes for row in sessions.rows()["links"])

    bring(sessions, unique, Status.CREATED)
    with sessions.clock.at(NOON):
        unused, used = link_of(sessions, unique), link_of(sessions, unique)
        enter(sessions, used)
    for later, left in {
        timedelta(days=1): 3,
        timedelta(days=1, minutes=6): 2,
        timedelta(days=1, hours=5): 1,
    }.items():
        with sessions.clock.at(NOON + later):
            link = link_of(sessions, unique)
            assert kept() == left
            sessions.clock.set = NOON + later + timedelta(minutes=1)


@pytest.mark.parametrize(
    "url",
    [
        "https://partner.com/thankyou",
        "https://partner.com",
        "HTTPS://Partner.COM:8443/a/%C3%A9?x=[1]&y=%20;z=(2)#top",
        "https://[2001:db8::1]/",
        "http://localhost:3000/done",
        "http://127.0.0.1/done",
        "http://127.9.9.9/done",
        "http://[::1]:8000/done",
        "https://partner.com/" + "a" * 1980,
    ],
)
def test_a_redirect_url_is_https_or_on_loopback(url: str) -> None:
    assert faults({**KEYS, "redirect_url": url}, CREATE_AUTHENTICATION) == {}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://partner.com/", NOT_SAFE),
        ("http://localhost.partner.com/", NOT_SAFE),
        ("http://127.0.0.1.partner.com/", NOT_SAFE),
        ("http://2130706433/", NOT_SAFE),
        ("ftp://partner.com/", NOT_SAFE),
        ("javascript:alert(1)//https://partner.com", NOT_SAFE),
        ("data:text/html,x", NOT_SAFE),
        ("//partner.com/", NOT_SAFE),
        ("/thankyou", NOT_SAFE),
        ("https:partner.com", NOT_SAFE),
        ("https:///thankyou", NOT_SAFE),
        ("https://?x", NOT_SAFE),
        ("partner.com", NOT_SAFE),
        ("https://partner.com\\@evil.com/", NOT_URL),
        ("https://partner.com/ a", NOT_URL),
        (" https://partner.com/", NOT_URL),
        ("https://partner.com/\n", NOT_URL),
        ("https://partner.com/é", NOT_URL),
        ('https://partner.com/"', NOT_URL),
        ("https://partner.com/<x>", NOT_URL),
        ("https://user:pass@partner.com/", "Must not hold a user name or password."),
        ("https://partner.com:99999/", NO_HOST),
        ("https://partner.com:x/", NO_HOST),
        ("https://[::1", NO_HOST),
        ("https://partner.com/" + "a" * 1981, "Must be at most 2,000 characters."),
    ],
)
def test_another_redirect_url_is_refused(url: str, message: str) -> None:
    found = faults({**KEYS, "redirect_url": url}, CREATE_AUTHENTICATION)
    assert found == {"redirect_url": [message]}


def test_every_fault_is_named_and_nothing_is_kept(sessions: Served) -> None:
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

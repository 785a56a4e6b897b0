"""CreateSession, repeated and concurrent, on both engines."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from chassis.errors import IDEMPOTENCY_MISMATCH, Fault
from protos.sessions_pb2 import CreateSessionRequest
from tests.serving import Served, decode
from tests.sessions_svc.bodies import build_user, create

CONCURRENT_CALLS = 12


def create_at_once(
    served: Served, requests: list[CreateSessionRequest], **metadata: Any
) -> list[Any]:
    """Send the requests at the same time, and return each session or reason of refusal."""

    def create_one(request: CreateSessionRequest) -> Any:
        try:
            return served.call("CreateSession", request, **metadata)
        except grpc.RpcError as error:
            return decode(error).reason

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(create_one, requests))


def find_rows(served: Served, table: str, key: str) -> list[tuple[Any, ...]]:
    return [row for row in served.rows()[table] if any(key in str(value) for value in row)]


@pytest.fixture
def count(sessions: Served, unique: str) -> Callable[[], tuple[int, int]]:
    """Returns a function that counts the users and sessions of this test."""
    return lambda: (
        len(find_rows(sessions, "users", unique)),
        len(find_rows(sessions, "sessions", unique)),
    )


def test_of_concurrent_sessions_with_one_key_one_is_stored(
    sessions: Served, unique: str, count: Callable[[], tuple[int, int]]
) -> None:
    requests = [
        create(user_key=f"{n}.{unique}", session_key=unique) for n in range(CONCURRENT_CALLS)
    ]
    answers = create_at_once(sessions, requests)
    created = [answer for answer in answers if not isinstance(answer, str)]
    assert answers.count("ALREADY_EXISTS") == CONCURRENT_CALLS - 1
    assert [each.session_key for each in created] == [unique]
    assert count() == (1, 1)
    assert find_rows(sessions, "users", unique)[0][1] == created[0].user_key


def test_concurrent_details_of_one_user_are_stored_as_a_whole(
    sessions: Served, unique: str, count: Callable[[], tuple[int, int]]
) -> None:
    people = [
        build_user(email=f"n{n}@example.com", first_name=f"First {n}", last_name=f"Last {n}")
        for n in range(CONCURRENT_CALLS)
    ]
    requests = [
        create(user_key=unique, session_key=f"{n}.{unique}", user=person)
        for n, person in enumerate(people)
    ]
    answers = create_at_once(sessions, requests)
    assert [answer.session_key for answer in answers] == [each.session_key for each in requests]
    assert count() == (1, CONCURRENT_CALLS)
    whole = [tuple(person[name] for name in list(person)[:3]) for person in people]
    assert find_rows(sessions, "users", unique)[0][2:5] in whole


def test_a_repeat_under_an_idempotency_key_is_replayed(
    sessions: Served, unique: str, count: Callable[[], tuple[int, int]]
) -> None:
    request = create(user_key=unique, session_key=unique)
    first = sessions.call("CreateSession", request, idempotency_key=unique)
    assert sessions.call("CreateSession", request, idempotency_key=unique) == first
    assert count() == (1, 1)


def test_concurrent_calls_with_one_idempotency_key_create_one_session(
    sessions: Served, unique: str, count: Callable[[], tuple[int, int]]
) -> None:
    request = create(user_key=unique, session_key=unique)
    answers = create_at_once(sessions, [request] * CONCURRENT_CALLS, idempotency_key=unique)
    assert answers == [answers[0]] * CONCURRENT_CALLS
    assert answers[0].session_key == unique
    assert count() == (1, 1)


def test_an_idempotency_key_is_refused_for_another_request(sessions: Served, unique: str) -> None:
    sessions.call("CreateSession", create(session_key=unique), idempotency_key=unique)
    other = create(session_key="x" + unique)
    failure = sessions.refusal("CreateSession", other, idempotency_key=unique)
    message = "Was used for another request; use a new key."
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, IDEMPOTENCY_MISMATCH)
    assert failure.faults == (Fault("Idempotency-Key", message),)
    assert find_rows(sessions, "sessions", "x" + unique) == []


def test_a_refusal_is_not_stored_under_its_idempotency_key(sessions: Served, unique: str) -> None:
    child = create(session_key=unique, user=build_user(birthdate="2020-01-01"))
    failure = sessions.refusal("CreateSession", child, idempotency_key=unique)
    assert failure.reason == "DISQUALIFIED"
    sessions.call("CreateSession", create(session_key=unique), idempotency_key=unique)


def test_each_partner_has_keys_of_its_own(
    sessions: Served, unique: str, count: Callable[[], tuple[int, int]]
) -> None:
    request = create(user_key=unique, session_key=unique)
    for who in ("client", "other"):
        sessions.call("CreateSession", request, who, idempotency_key=unique)
    assert count() == (2, 2)

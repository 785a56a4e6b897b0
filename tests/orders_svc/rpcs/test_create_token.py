"""CreateToken, called directly over gRPC on both engines."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from grpc import StatusCode

from chassis.context import utc_now
from chassis.errors import Fault
from protos.orders_pb2 import CreateTokenRequest, ListLabsRequest, Token
from tests.serving import Served

DEMO = CreateTokenRequest(client_id="demo-client", client_secret="demo-client-secret")


def is_accepted(orders: Served, token: Token) -> bool:
    """Whether the token opens a door."""
    authorization = f"Bearer {token.token}"
    return bool(orders.call("ListLabs", ListLabsRequest(), authorization=authorization).data)


def test_it_works(orders: Served) -> None:
    first, second = (orders.call("CreateToken", DEMO, "") for _ in range(2))
    for token in (first, second):
        assert re.fullmatch(r"tok_[A-Za-z0-9_-]{43}", token.token)
        assert is_accepted(orders, token)
    assert first != second


@pytest.mark.parametrize(
    ("client_id", "client_secret"),
    [
        ("demo-client", "wrong"),
        ("demo-client", "other-client-secret"),
        ("nobody", "demo-client-secret"),
        ("DEMO-CLIENT", "demo-client-secret"),
        ("demo-client' --", "x"),
        ("é" * 100, "👓" * 1000),
    ],
)
def test_wrong_credentials_get_no_token(orders: Served, client_id: str, client_secret: str) -> None:
    before = orders.rows()
    request = CreateTokenRequest(client_id=client_id, client_secret=client_secret)
    failure = orders.refusal("CreateToken", request, "")
    assert (failure.code, failure.reason) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert orders.rows() == before


def test_both_are_wanted(orders: Served) -> None:
    missing = "Missing data for required field."
    failure = orders.refusal("CreateToken", CreateTokenRequest(), "")
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults == (Fault("client_id", missing), Fault("client_secret", missing))
    request = CreateTokenRequest(client_id=" ", client_secret="\0")
    assert {fault.path for fault in orders.refusal("CreateToken", request, "").faults} == {
        "client_id",
        "client_secret",
    }


def test_staff_has_no_token(orders: Served) -> None:
    request = CreateTokenRequest(client_id="demo-staff", client_secret="demo-staff-secret")
    assert orders.refusal("CreateToken", request, "").code is StatusCode.PERMISSION_DENIED


def test_a_key_returns_the_same_token(orders: Served, unique: str) -> None:
    first = orders.call("CreateToken", DEMO, "", idempotency_key=unique)
    assert orders.call("CreateToken", DEMO, "", idempotency_key=unique) == first
    assert orders.call("CreateToken", DEMO, "", idempotency_key=f"{unique}-2") != first
    assert is_accepted(orders, first)


def test_two_clients_with_one_key_get_different_tokens(orders: Served, unique: str) -> None:
    other = CreateTokenRequest(client_id="other-client", client_secret="other-client-secret")
    tokens = [
        orders.call("CreateToken", each, "", idempotency_key=unique) for each in (DEMO, other)
    ]
    assert tokens[0] != tokens[1]


def test_a_key_from_16_threads_at_once_returns_one_token(orders: Served, unique: str) -> None:
    before = len(orders.rows()["tokens"])
    with ThreadPoolExecutor(16) as pool:
        tokens = list(
            pool.map(
                lambda _: orders.call("CreateToken", DEMO, "", idempotency_key=unique).token,
                range(16),
            )
        )
    assert len(set(tokens)) == 1
    assert len(orders.rows()["tokens"]) == before + 1


def test_a_key_does_not_open_what_the_secret_does_not(orders: Served, unique: str) -> None:
    orders.call("CreateToken", DEMO, "", idempotency_key=unique)
    wrong = CreateTokenRequest(client_id="demo-client", client_secret="wrong")
    failure = orders.refusal("CreateToken", wrong, "", idempotency_key=unique)
    assert failure.code is StatusCode.UNAUTHENTICATED


def test_a_token_issued_under_a_key_is_valid_the_day_after(orders: Served, unique: str) -> None:
    tomorrow = utc_now() + timedelta(hours=25)
    orders.call("CreateToken", DEMO, "", idempotency_key=unique)
    with orders.clock.at(tomorrow):
        assert is_accepted(orders, orders.call("CreateToken", DEMO, "", idempotency_key=unique))


def test_neither_token_nor_secret_is_stored(orders: Served, unique: str) -> None:
    token = orders.call("CreateToken", DEMO, "", idempotency_key=unique).token
    stored = repr(orders.rows())
    for secret in (token, token.removeprefix("tok_"), "demo-client-secret", "demo-password"):
        assert secret not in stored


def test_expired_tokens_of_the_client_go(orders: Served) -> None:
    orders.call("CreateToken", DEMO, "")
    with orders.clock.at(utc_now() + timedelta(days=9)):
        orders.call("CreateToken", DEMO, "")
        demo = orders.rows()["tokens"]
    assert len([row for row in demo if row[2] < utc_now() + timedelta(days=9)]) <= 1

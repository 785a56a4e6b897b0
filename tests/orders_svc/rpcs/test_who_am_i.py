"""WhoAmI: who is calling, by each kind of credentials, on both engines."""

from typing import Any

import pytest
from grpc import StatusCode

from protos import orders_pb2 as pb
from tests.orders_svc.rpcs.test_callers import build_bearer
from tests.serving import USERS, Served

ACME = pb.Lab(id="lab_123", name="Acme Lab", account_number="1234567")
VISION = pb.Lab(id="lab_456", name="VisionWorks Lab", account_number="7654321")
OPTICIAN = pb.WhoAmIResponse(client="demo-client", user=USERS["client"], labs=[ACME, VISION])
SECOND_USER = pb.WhoAmIResponse(client="demo-client", user="second@example.com", labs=[VISION])


def who_am_i(orders: Served, who: str = "client", **metadata: Any) -> Any:
    """The answer to a call."""
    return orders.call("WhoAmI", pb.WhoAmIRequest(), who, **metadata)


def test_it_works(orders: Served) -> None:
    before = orders.rows()
    assert who_am_i(orders) == OPTICIAN
    assert who_am_i(orders, user_email="second@example.com") == SECOND_USER
    assert orders.rows() == before


def test_a_token_stands_for_its_client(orders: Served) -> None:
    assert who_am_i(orders, **build_bearer(orders)) == OPTICIAN


def test_a_session_stands_for_its_user(orders: Served) -> None:
    asked = pb.LogInRequest(
        email="second@example.com", password="demo-password", address="192.0.2.7"
    )
    token = orders.call("LogIn", asked, "", kind="Dashboard").token
    for named in ("", USERS["client"]):
        session: dict[str, Any] = {"authorization": f"Session {token}", "user_email": named}
        assert who_am_i(orders, "", **session) == SECOND_USER


def test_a_user_without_labs_has_none(orders: Served) -> None:
    expected = pb.WhoAmIResponse(client="other-client", user=USERS["other"])
    assert who_am_i(orders, "other") == expected


@pytest.mark.parametrize(
    ("who", "metadata", "code"),
    [
        ("", {}, StatusCode.UNAUTHENTICATED),
        ("", {"authorization": "Session x"}, StatusCode.UNAUTHENTICATED),
        ("staff", {"user_email": USERS["client"]}, StatusCode.PERMISSION_DENIED),
        ("client", {"user_email": USERS["other"]}, StatusCode.PERMISSION_DENIED),
        ("client", {"user_email": ""}, StatusCode.INVALID_ARGUMENT),
    ],
)
def test_others_are_refused(
    orders: Served, who: str, metadata: dict[str, str], code: StatusCode
) -> None:
    asked: Any = metadata
    assert orders.refusal("WhoAmI", pb.WhoAmIRequest(), who, **asked).code is code

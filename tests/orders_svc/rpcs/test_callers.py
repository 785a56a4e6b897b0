"""Who may call the orders service, and for which user."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode

from chassis.context import utc_now
from chassis.errors import Fault
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.serving import USERS, Served, build_basic

LAB: dict[str, Any] = {"lab": "lab_123", "account_number": "1234567"}
CALLS = [
    ("ListLabs", pb.ListLabsRequest()),
    ("GetOrderSettings", pb.GetOrderSettingsRequest(**LAB)),
    ("ListStyles", pb.ListStylesRequest(**LAB, lens_type="multifocal")),
    ("ListMaterials", pb.ListMaterialsRequest(**LAB, style="style_123")),
    ("ListAddons", pb.ListAddonsRequest(**LAB, style="style_123", material="material_123")),
    ("CreateOrder", pb.CreateOrderRequest()),
    ("ListOrders", pb.ListOrdersRequest(**LAB)),
    ("GetOrder", pb.GetOrderRequest(order_id="ord_" + "0" * 24)),
    ("SubmitOrder", pb.SubmitOrderRequest(order_id="ord_" + "0" * 24)),
    ("GetOrderOutline", pb.GetOrderOutlineRequest(order_id="ord_" + "0" * 24)),
    ("GetOrderJob", pb.GetOrderJobRequest(order_id="ord_" + "0" * 24)),
]
EVERY_CALL = pytest.mark.parametrize(("rpc", "request_"), CALLS)


def build_bearer(orders: Served, name: str = "demo-client") -> dict[str, Any]:
    """Metadata with a fresh token."""
    request = pb.CreateTokenRequest(client_id=name, client_secret=f"{name}-secret")
    return {"authorization": f"Bearer {orders.call('CreateToken', request, '').token}"}


@EVERY_CALL
def test_nobody_gets_nothing(orders: Served, rpc: str, request_: Any) -> None:
    for authorization in ({}, {"authorization": build_basic("demo-client", "wrong")}):
        failure = orders.refusal(rpc, request_, "", user_email=USERS["client"], **authorization)
        assert failure.code is StatusCode.UNAUTHENTICATED


@EVERY_CALL
def test_staff_gets_nothing_here(orders: Served, rpc: str, request_: Any) -> None:
    failure = orders.refusal(rpc, request_, "staff", user_email=USERS["client"])
    assert failure.code is StatusCode.PERMISSION_DENIED


@EVERY_CALL
def test_a_user_is_named(orders: Served, rpc: str, request_: Any) -> None:
    failure = orders.refusal(rpc, request_, user_email="")
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults == (Fault("User-Email", "Send the e-mail address of a dashboard user."),)


@EVERY_CALL
@pytest.mark.parametrize(
    "email",
    [" ", "nobody@example.com", "stranger@example.org", "OPTICIAN@example.com", "%", "x" * 300],
)
def test_a_user_is_one_of_the_client(orders: Served, rpc: str, request_: Any, email: str) -> None:
    failure = orders.refusal(rpc, request_, user_email=email)
    assert (failure.code, failure.reason) == (StatusCode.PERMISSION_DENIED, "FORBIDDEN")
    assert failure.faults == (
        Fault("User-Email", "Must be the e-mail address of a user of this client."),
    )


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_is_as_good_as_the_secret(orders: Served, scheme: str) -> None:
    token = build_bearer(orders)["authorization"].replace("Bearer", scheme)
    assert orders.call("ListLabs", pb.ListLabsRequest(), authorization=token).data


@pytest.mark.parametrize("token", ["", "tok_", "tok_ unknown", "x" * 5000, "' OR 1=1 --"])
def test_an_unknown_token_is_refused(orders: Served, token: str) -> None:
    failure = orders.refusal("ListLabs", pb.ListLabsRequest(), authorization=f"Bearer {token}")
    assert failure.code is StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("packed", [b"demo-client\0:x", b"\xff:x", b"demo-client", b":", b""])
def test_credentials_that_no_client_has_are_refused(orders: Served, packed: bytes) -> None:
    authorization = f"Basic {base64.b64encode(packed).decode()}"
    failure = orders.refusal("ListLabs", pb.ListLabsRequest(), authorization=authorization)
    assert failure.code is StatusCode.UNAUTHENTICATED


def test_a_token_lives_24_hours(orders: Served) -> None:
    now = utc_now()
    with orders.clock.at(now):
        token = build_bearer(orders)
    with orders.clock.at(now + timedelta(hours=24, seconds=-1)):
        assert orders.call("ListLabs", pb.ListLabsRequest(), **token).data
    with orders.clock.at(now + timedelta(hours=24)):
        failure = orders.refusal("ListLabs", pb.ListLabsRequest(), **token)
    assert failure.code is StatusCode.UNAUTHENTICATED
    assert failure.message == "The token is unknown or has expired; fetch a new one."


def test_a_token_is_of_one_client(orders: Served) -> None:
    token = build_bearer(orders, "other-client")
    failure = orders.refusal("ListLabs", pb.ListLabsRequest(), **token)
    assert failure.code is StatusCode.PERMISSION_DENIED
    mine = {**token, "user_email": USERS["other"]}
    assert orders.call("ListLabs", pb.ListLabsRequest(), **mine) == pb.ListLabsResponse()


def test_the_token_of_a_revoked_client_is_refused(orders: Served) -> None:
    with orders.database.write() as tx:
        tables.accounts.put(tx, "leaving-client", "client", "leaving-client-secret")
    token = build_bearer(orders, "leaving-client")
    denied = orders.refusal("ListLabs", pb.ListLabsRequest(), **token)
    with orders.database.write() as tx:
        tables.accounts.revoke(tx, "leaving-client", utc_now())
    orders.refresh_cache()
    failure = orders.refusal("ListLabs", pb.ListLabsRequest(), **token)
    assert (denied.code, failure.code) == (
        StatusCode.PERMISSION_DENIED,
        StatusCode.UNAUTHENTICATED,
    )

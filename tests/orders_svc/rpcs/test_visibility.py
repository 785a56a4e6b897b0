"""Who sees an order: users of its client who have its lab under its account number."""

from typing import Any

import pytest
from grpc import StatusCode

from orders_svc import reference
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import LAB, Body
from tests.orders_svc.rpcs.test_get_order import create_order
from tests.serving import Served

RPCS: list[tuple[str, Any, str]] = [
    ("GetOrder", pb.GetOrderRequest, ""),
    ("SubmitOrder", pb.SubmitOrderRequest, ""),
    ("GetOrderOutline", pb.GetOrderOutlineRequest, ""),
    ("GetOrderJob", pb.GetOrderJobRequest, ""),
    ("GetReview", pb.GetReviewRequest, "Dashboard"),
]


@pytest.fixture
def load(orders: Served, unique: str) -> Any:
    """Loads a user of this test's own, and returns their metadata."""

    def load_user(account: str, lab: dict[str, str]) -> dict[str, Any]:
        email = f"{unique}-{account}@example.com"
        user = {"email": email, "account": account, "password": "demo-password", "labs": [lab]}
        with orders.database.write() as tx:
            reference.load(tx, reference.REFERENCE.load({"users": [user]}))
        return {"who": "other" if account == "other-client" else "client", "user_email": email}

    return load_user


@pytest.fixture
def draft(orders: Served, order: Body) -> str:
    """A draft of the optician."""
    return create_order(orders, {**order, "mode": "draft"})


def check_hidden(orders: Served, draft: str, lab: Body, caller: dict[str, Any]) -> None:
    """Check that a caller sees their lab, and nothing of the draft."""
    before = orders.rows()["orders"]
    for rpc, kind, service in RPCS:
        failure = orders.refusal(rpc, kind(order_id=draft), kind=service, **caller)
        assert (failure.code, failure.message) == (
            StatusCode.NOT_FOUND,
            "You have no such order.",
        )
    listed = orders.call("ListOrders", pb.ListOrdersRequest(**lab, limit=100), **caller)
    assert listed == pb.ListOrdersResponse()
    for text in ("", draft, "ada", "example"):
        asked = pb.SearchOrdersRequest(text=text, limit=100)
        found = orders.call("SearchOrders", asked, kind="Dashboard", **caller)
        assert found == pb.SearchOrdersResponse()
    for name in ("starting_after", "ending_before"):
        cursor: Body = {name: draft}
        before_or_after = pb.SearchOrdersRequest(**cursor)
        failure = orders.refusal("SearchOrders", before_or_after, kind="Dashboard", **caller)
        assert [fault.path for fault in failure.faults] == [name]
    assert orders.rows()["orders"] == before


def test_a_colleague_with_the_same_account_number_sees_it(
    orders: Served, draft: str, load: Any
) -> None:
    caller = load("demo-client", LAB)
    asked = pb.GetOrderRequest(order_id=draft)
    assert orders.call("GetOrder", asked, **caller) == orders.call("GetOrder", asked)


def test_a_colleague_with_another_account_number_does_not(
    orders: Served, draft: str, load: Any, unique: str
) -> None:
    lab: Body = {**LAB, "account_number": unique}
    check_hidden(orders, draft, lab, load("demo-client", lab))


def test_a_stranger_with_the_same_lab_and_account_number_does_not(
    orders: Served, draft: str, load: Any
) -> None:
    check_hidden(orders, draft, LAB, load("other-client", LAB))

"""GetOrder: an order as it was sent and as it stands, on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from protos import orders_pb2 as pb
from tests.orders_svc.bodies import REDO_DATA, Body, put, request
from tests.orders_svc.life import ACTIONS, created
from tests.serving import Served

MOMENT = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
TRACED = {"a": 50.0, "b": 34.0, "lens_ed": 50.0, "circumference": 138.43}
SECOND_USER: dict[str, Any] = {"user_email": "second@example.com"}
VISION: Body = {
    "lab": "lab_456",
    "account_number": "7654321",
    "lens": {"style": "style_456", "material": "material_789", "color": "color_789"},
}


def create_order(orders: Served, order: Body, **who: Any) -> str:
    """The id of a new order."""
    return str(orders.call("CreateOrder", request(order), **who).id)


def fetch_order(orders: Served, order_id: str, **who: Any) -> pb.Order:
    """An order."""
    order: pb.Order = orders.call("GetOrder", pb.GetOrderRequest(order_id=order_id), **who)
    return order


def as_json(message: Any) -> Any:
    """A message as plain values under the names of the proto."""
    return MessageToDict(message, preserving_proto_field_name=True)


def test_it_works(orders: Served, order: Body) -> None:
    with orders.clock.at(MOMENT):
        order_id = create_order(orders, order)
    order["shipping"]["address"]["country"] = "US"
    assert as_json(fetch_order(orders, order_id)) == {
        "id": order_id,
        "lab_status": "submitted",
        "url": f"http://127.0.0.1:8080/orders/{order_id}",
        "created": "1772323199",
        "updated": "1772323199",
        "traced": {"right_eye": TRACED, "left_eye": TRACED},
        "version": "1",
        "available_actions": dict.fromkeys(ACTIONS["submitted"], True),
        "history": [{**created(1772323199, "submitted"), "at": "1772323199"}],
        **order,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "draft", "lens": None},
        {"submission_type": "redo", "redo_data": REDO_DATA},
        {"submission_type": "multi_pair", "multi_pair_data": {"reference": "TRAY-77"}},
        {"order_type": "frame", "mounting_option": None, "lens": None, "rx": None},
        {"rx": {"left_eye": {"sphere": 0.0}, "right_eye": {"balance": True, "pd": 31.0}}},
        {"acknowledged_warnings": ["pd_missing", "decentration"]},
        {"patient": {"first_name": "Zoë 👓", "last_name": "李"}, "shipping": None},
    ],
)
def test_an_order_says_what_was_sent_and_no_more(
    orders: Served, order: Body, changes: Body
) -> None:
    sent = {name: each for name, each in {**order, **changes}.items() if each is not None}
    put(sent, "frame.tracing")
    if "shipping" in sent:
        sent["shipping"]["address"]["country"] = "US"
    told = as_json(fetch_order(orders, create_order(orders, sent)))
    stands = ["id", "lab_status", "url", "created", "updated", "warnings"]
    stands += ["version", "available_actions", "history"]
    assert {name: each for name, each in told.items() if name not in stands} == sent


def test_an_order_has_a_place_for_all_that_can_be_sent() -> None:
    sent = {each.name: each.message_type for each in pb.CreateOrderRequest.DESCRIPTOR.fields}
    told = {each.name: each.message_type for each in pb.Order.DESCRIPTOR.fields}
    assert sent.items() <= told.items()


def test_a_colleague_sees_the_orders_of_shared_labs(orders: Served, order: Body) -> None:
    mine, theirs = create_order(orders, order), create_order(orders, {**order, **VISION})
    assert fetch_order(orders, theirs, **SECOND_USER).id == theirs
    assert (
        fetch_order(orders, create_order(orders, {**order, **VISION}, **SECOND_USER)).lab
        == "lab_456"
    )
    asked = pb.GetOrderRequest(order_id=mine)
    assert orders.refusal("GetOrder", asked, **SECOND_USER).code is StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "order_id", ["", " ", "\0", "ord_", "ord_" + "0" * 24, "ORD_" + "a" * 24, "é" * 9, "x" * 99999]
)
def test_an_unknown_order_is_not_found(orders: Served, order_id: str) -> None:
    for rpc, kind in (
        ("GetOrder", pb.GetOrderRequest),
        ("SubmitOrder", pb.SubmitOrderRequest),
        ("DeleteOrder", pb.DeleteOrderRequest),
        ("CancelOrder", pb.CancelOrderRequest),
        ("DuplicateOrder", pb.DuplicateOrderRequest),
        ("GetOrderOutline", pb.GetOrderOutlineRequest),
        ("GetOrderJob", pb.GetOrderJobRequest),
    ):
        failure = orders.refusal(rpc, kind(order_id=order_id))
        assert (failure.code, failure.message) == (StatusCode.NOT_FOUND, "You have no such order.")

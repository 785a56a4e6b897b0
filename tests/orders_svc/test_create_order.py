"""CreateOrder, called directly over gRPC on both engines."""

from typing import Any

from google.protobuf.json_format import ParseDict
from grpc import StatusCode

from chassis.errors import Fault
from protos.orders_pb2 import CreateOrderRequest
from tests.serving import Served


def order(body: Any, **changes: Any) -> CreateOrderRequest:
    return ParseDict({**body("order"), **changes}, CreateOrderRequest())


def test_it_works(orders: Served, body: Any) -> None:
    created = orders.call("CreateOrder", order(body))
    assert created.id.startswith("ord_")
    assert not created.HasField("url")


def test_a_draft_has_a_review_page(orders: Served, body: Any) -> None:
    created = orders.call("CreateOrder", order(body, mode="draft"))
    assert created.url == f"http://127.0.0.1:8080/orders/{created.id}"


def test_all_faults_are_named_at_once(orders: Served, body: Any) -> None:
    before = orders.rows()
    failure = orders.refusal("CreateOrder", order(body, mode="maybe", services=["Tea"]))
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == ["mode", "services.0"]
    assert orders.rows() == before


def test_a_lab_of_another_client_is_no_lab(orders: Served, body: Any) -> None:
    failure = orders.refusal("CreateOrder", order(body), "other")
    assert failure.faults == (
        Fault("lab", "Must be one of your labs, with its account_number."),
    )

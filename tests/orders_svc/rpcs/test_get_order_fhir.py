"""GetOrderFhir: the prescription of an order as FHIR has it, on both engines."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from protos import orders_pb2 as pb
from tests.optics.fhir_documents import MODELS, check_codes
from tests.orders_svc.bodies import Body
from tests.orders_svc.rpcs.test_get_order import SECOND_USER, create_order
from tests.serving import Served

MOMENT = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)


def fetch_document(orders: Served, order_id: str) -> dict[str, Any]:
    """The prescription of an order, valid in both versions."""
    text = orders.call("GetOrderFhir", pb.GetOrderFhirRequest(order_id=order_id)).json
    for model in MODELS:
        check_codes(model.model_validate_json(text))
    document: dict[str, Any] = json.loads(text)
    return document


def test_it_works(orders: Served, order: Body) -> None:
    with orders.clock.at(MOMENT):
        order_id = create_order(orders, order)
    document = fetch_document(orders, order_id)
    assert document["status"] == "active"
    assert document["identifier"][0]["value"] == order_id
    assert document["created"] == "2026-02-28T23:59:59Z"
    assert document["patient"] == {"display": "Ada Example"}
    assert document["prescriber"] == document["_dateWritten"]  # not known
    right, left = document["lensSpecification"]
    assert (right["eye"], left["eye"]) == ("right", "left")
    assert (right["sphere"], right["cylinder"], right["axis"]) == (-2.25, -0.75, 180)
    assert right["prism"] == [{"amount": 1, "base": "in"}, {"amount": 0.5, "base": "up"}]


def test_it_comes_back_as_the_rx_of_an_order(orders: Served, order: Body) -> None:
    """From one order into the next, without typing it anew."""
    text = json.dumps(fetch_document(orders, create_order(orders, order)))
    read = orders.call("ReadOrderRx", pb.ReadOrderRxRequest(document=text)).rx
    again = create_order(orders, order)
    assert read == orders.call("GetOrder", pb.GetOrderRequest(order_id=again)).rx


@pytest.mark.parametrize(
    ("lab_status", "status"),
    [("draft", "draft"), ("in_progress", "active"), ("cancelled", "cancelled")],
)
def test_the_status_of_an_order(orders: Served, order: Body, lab_status: str, status: str) -> None:
    mode = "draft" if lab_status == "draft" else "submit"
    order_id = create_order(orders, {**order, "mode": mode})
    if mode == "submit":
        asked = pb.UpdateOrderRequest(order_id=order_id, lab_status=lab_status)
        orders.call("UpdateOrder", asked, "staff", desk=True)
    assert fetch_document(orders, order_id)["status"] == status


def test_an_order_without_a_prescription_has_no_document(orders: Served, order: Body) -> None:
    frame_only = {k: v for k, v in order.items() if k not in ("rx", "lens", "mounting_option")}
    order_id = create_order(orders, {**frame_only, "order_type": "frame"})
    asked = pb.GetOrderFhirRequest(order_id=order_id)
    failure = orders.refusal("GetOrderFhir", asked)
    assert (failure.code, failure.message) == (
        StatusCode.NOT_FOUND,
        "This order has no prescription.",
    )


def test_another_user_finds_none(orders: Served, order: Body) -> None:
    asked = pb.GetOrderFhirRequest(order_id=create_order(orders, order))
    assert orders.refusal("GetOrderFhir", asked, **SECOND_USER).code is StatusCode.NOT_FOUND

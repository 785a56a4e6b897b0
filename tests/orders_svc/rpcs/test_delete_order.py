"""DeleteOrder: a draft is dropped, and nothing else, on both engines."""

from typing import Any

from grpc import StatusCode

from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body
from tests.orders_svc.life import add_lab, name_versions
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_replace_order import replace
from tests.serving import Served


def drop(orders: Served, order_id: str, *versions: int) -> None:
    """Delete an order."""
    asked = pb.DeleteOrderRequest(order_id=order_id)
    orders.call("DeleteOrder", asked, **name_versions(*versions))


def find_refusal(orders: Served, order_id: str, *versions: int) -> Any:
    """The refusal to delete an order."""
    asked = pb.DeleteOrderRequest(order_id=order_id)
    return orders.refusal("DeleteOrder", asked, **name_versions(*versions))


def test_it_works(orders: Served, order: Body) -> None:
    before = orders.rows()
    patient = {**order["patient"], "last_name": "Smith-Jones"}
    order_id = create_order(orders, {**order, "mode": "draft", "patient": patient})
    replace(orders, order_id, {**order, "mode": "draft", "patient": patient}, 1)
    drop(orders, order_id)
    asked = pb.GetOrderRequest(order_id=order_id)
    assert orders.refusal("GetOrder", asked).code is StatusCode.NOT_FOUND
    assert find_refusal(orders, order_id).code is StatusCode.NOT_FOUND
    assert orders.rows() == before  # its words and its history are gone


def test_only_drafts_are_deleted(orders: Served, order: Body, unique: str) -> None:
    lab = add_lab(orders, unique, 5)
    for sent in (order, {**order, **lab}):
        order_id = create_order(orders, sent)
        before = orders.rows()
        failure = find_refusal(orders, order_id)
        assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
        assert failure.message == "The order is not a draft."
        assert orders.rows() == before


def test_a_version_may_be_named(orders: Served, order: Body) -> None:
    order_id = create_order(orders, {**order, "mode": "draft"})
    assert find_refusal(orders, order_id, 2).reason == "VERSION_MISMATCH"
    assert fetch_order(orders, order_id).version == 1
    drop(orders, order_id, 5, 1)
    assert find_refusal(orders, order_id, 1).code is StatusCode.NOT_FOUND


def test_a_key_deletes_once(orders: Served, order: Body, unique: str) -> None:
    order_id = create_order(orders, {**order, "mode": "draft"})
    asked = pb.DeleteOrderRequest(order_id=order_id)
    for _ in range(2):
        assert orders.call("DeleteOrder", asked, idempotency_key=unique) == pb.DeleteOrderResponse()
    with orders.database.read() as tx:
        wanted = tables.orders.select().where(tables.orders.c.id == order_id)
        assert tx.execute(wanted).first() is None

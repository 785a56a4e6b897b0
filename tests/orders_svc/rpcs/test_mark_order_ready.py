"""MarkOrderReady: a shipped order may be picked up, and its patient is told, on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from orders_svc.store import tables
from orders_svc.store.personal import QUEUE
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, put
from tests.orders_svc.documents.test_events import told
from tests.orders_svc.life import list_actions, list_history
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_update_order import create_in_status, move
from tests.serving import USERS, Served

__all__ = ["told"]
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def mark(orders: Served, order_id: str, notify: bool | None = None, **who: Any) -> pb.Order:
    """An order after it was marked as ready."""
    asked = pb.MarkOrderReadyRequest(order_id=order_id, notify=notify)
    marked: pb.Order = orders.call("MarkOrderReady", asked, **who)
    return marked


def read_messages(orders: Served, order_id: str) -> list[Any]:
    """The messages about an order."""
    with orders.database.read() as tx:
        wanted = tables.messages.c.order_id == order_id
        rows = tx.execute(tables.messages.select().where(wanted))
        return list(QUEUE.personal.open_all(tx, rows))


def read_link(orders: Served, order_id: str, **fields: Any) -> str:
    """The link of the patient's page."""
    asked = pb.CreateTrackingLinkRequest(order_id=order_id, **fields)
    return str(orders.call("CreateTrackingLink", asked).url)


def test_it_works(orders: Served, order: Body, told: Any) -> None:
    order_id = create_in_status(orders, order, "shipped")
    with orders.clock.at(MOMENT):
        marked = mark(orders, order_id)
    assert marked == fetch_order(orders, order_id)
    assert (marked.lab_status, marked.updated) == ("ready_for_pickup", int(MOMENT.timestamp()))
    assert list_actions(marked) == {"duplicate", "redo", "multi_pair"}
    last = ("ready_for_pickup", "ready_for_pickup", "client", USERS["client"], "")
    assert list_history(marked)[-1] == last
    assert told(order_id)[-1].type == "order.status_changed"
    (message,) = read_messages(orders, order_id)
    assert (message.channel, message.due_at) == ("email", MOMENT)
    assert message.content == {
        "to": "ada@example.com",
        "subject": "Your glasses are ready",
        "text": (
            "Hello Ada,\n\n"
            "Your glasses are ready to be picked up. This page shows how far they are:\n\n"
            f"{read_link(orders, order_id)}\n\n"
            "The link is only for you. It shows your first name, and nothing else about you.\n"
        ),
        "language": "en",
        "shop": "Your optician",
    }


@pytest.mark.parametrize("reason", ["no address", "notify is false"])
def test_nobody_is_told(orders: Served, order: Body, reason: str) -> None:
    if reason == "no address":
        put(order, "patient.email")
    order_id = create_in_status(orders, order, "shipped")
    marked = mark(orders, order_id, None if reason == "no address" else False)
    assert marked.lab_status == "ready_for_pickup"
    assert read_messages(orders, order_id) == []


@pytest.mark.parametrize("lab_status", ["draft", "submitted", "on_hold", "cancelled"])
def test_only_a_shipped_order_is_ready(orders: Served, order: Body, lab_status: str) -> None:
    if lab_status == "draft":
        order_id = create_order(orders, {**order, "mode": "draft"})
    else:
        order_id = create_in_status(orders, order, lab_status)
    before = orders.rows()
    failure = orders.refusal("MarkOrderReady", pb.MarkOrderReadyRequest(order_id=order_id))
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert failure.message == f"The order is {lab_status}, which does not allow this."
    assert orders.rows() == before


def test_the_lab_sees_it_and_keeps_its_numbers(orders: Served, order: Body) -> None:
    order_id = create_in_status(orders, order, "shipped")
    mark(orders, order_id)
    assert move(orders, order_id, invoice_number="I-1").lab_status == "ready_for_pickup"
    listed = pb.ListLabOrdersRequest(lab=order["lab"], lab_status="ready_for_pickup", limit=100)
    ids = [each.id for each in orders.call("ListLabOrders", listed, "staff", desk=True).data]
    assert order_id in ids
    change = pb.UpdateOrderRequest(order_id=order_id, lab_status="in_progress")
    assert orders.refusal("UpdateOrder", change, "staff", desk=True).reason == "WRONG_STATE"


def test_a_key_marks_once(orders: Served, order: Body, unique: str) -> None:
    order_id = create_in_status(orders, order, "shipped")
    first = mark(orders, order_id, idempotency_key=unique)
    assert mark(orders, order_id, idempotency_key=unique) == first
    assert len(read_messages(orders, order_id)) == 1

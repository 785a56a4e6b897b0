"""Events delivered to a client's endpoint, on both engines."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.events.endpoints import EndpointSchema
from orders_svc.documents.events import EVENT_TYPES
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.event_schemas import check_event
from tests.orders_svc.bodies import Body
from tests.orders_svc.rpcs.test_get_order import create_order
from tests.orders_svc.rpcs.test_update_order import find_refusal, move
from tests.serving import Served

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER_MOMENT = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
MOMENT_SECONDS = 1772366400


@pytest.fixture(scope="module")
def told(orders: Served) -> Iterator[Any]:
    """Returns the events of an order, oldest first, while demo-client has an endpoint."""
    endpoint = EndpointSchema(EVENT_TYPES).load({"url": "http://127.0.0.1:9/"})
    with orders.database.write() as tx:
        tables.outbox.endpoints.put(tx, "demo-client", endpoint, MOMENT)
    orders.refresh_cache()

    def find(order_id: str) -> list[Any]:
        with orders.database.read() as tx:
            rows = list(reversed(tables.outbox.find(tx, 100, stream=order_id)))
        for row in rows:
            check_event("orders", row.type, row.content_type, row.body)
        return rows

    yield find
    with orders.database.write() as tx:
        tables.outbox.endpoints.put(tx, "demo-client", None, LATER_MOMENT)
    orders.refresh_cache()


def body(type_: str, order_id: str, lab_status: str, updated: int, timestamp: str) -> Any:
    """An event as it is delivered."""
    return {
        "type": type_,
        "timestamp": timestamp,
        "data": {
            "id": order_id,
            "lab_status": lab_status,
            "created": MOMENT_SECONDS,
            "submitted": MOMENT_SECONDS,
            "updated": updated,
        },
    }


def test_it_works(orders: Served, order: Body, told: Any) -> None:
    with orders.clock.at(MOMENT):
        order_id = create_order(orders, order)
    with orders.clock.at(LATER_MOMENT):
        move(orders, order_id, "in_progress", tray_number="T-1")
        move(orders, order_id, tray_number="T-2")
        find_refusal(orders, order_id=order_id, lab_status="submitted")
    events = told(order_id)
    assert [(row.owner, row.stream, row.type) for row in events] == [
        ("demo-client", order_id, "order.submitted"),
        ("demo-client", order_id, "order.status_changed"),
    ]
    assert [json.loads(row.body) for row in events] == [
        body("order.submitted", order_id, "submitted", MOMENT_SECONDS, "2026-03-01T12:00:00Z"),
        body(
            "order.status_changed",
            order_id,
            "in_progress",
            MOMENT_SECONDS + 7,
            "2026-03-01T12:00:07Z",
        ),
    ]


def test_a_draft_is_told_of_when_it_is_submitted(orders: Served, order: Body, told: Any) -> None:
    order_id = create_order(orders, {**order, "mode": "draft"})
    assert told(order_id) == []
    asked = pb.SubmitOrderRequest(order_id=order_id)
    orders.call("SubmitOrder", asked)
    orders.refusal("SubmitOrder", asked)
    assert [row.type for row in told(order_id)] == ["order.submitted"]


def test_a_replay_tells_nothing_twice(orders: Served, order: Body, told: Any, unique: str) -> None:
    ids = {create_order(orders, order, idempotency_key=unique) for _ in range(2)}
    assert len(told(ids.pop())) == 1
    assert not ids

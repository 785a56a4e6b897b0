"""CancelOrder: at once in the window, later by asking the lab, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from orders_svc.actions.advance_by_time import advance_by_time
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body
from tests.orders_svc.documents.test_events import told
from tests.orders_svc.life import add_lab, list_actions, list_history
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_one_key_at_once import act_at_once, metadata
from tests.orders_svc.rpcs.test_update_order import WAYS, create_in_status, move
from tests.serving import USERS, Served, decode

__all__ = ["told"]
SUBMITTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANCELLED = SUBMITTED + timedelta(minutes=4)
OVER = SUBMITTED + timedelta(minutes=5)


def cancel(orders: Served, order_id: str, **who: Any) -> pb.Order:
    """An order after the client cancelled it, or asked the lab to."""
    order: pb.Order = orders.call("CancelOrder", pb.CancelOrderRequest(order_id=order_id), **who)
    return order


def find_refusal(orders: Served, order_id: str) -> Any:
    """The refusal to cancel an order."""
    return orders.refusal("CancelOrder", pb.CancelOrderRequest(order_id=order_id))


def test_in_the_window_it_is_cancelled_at_once(
    orders: Served, order: Body, unique: str, told: Any
) -> None:
    lab = add_lab(orders, unique, 5)
    with orders.clock.at(SUBMITTED):
        order_id = create_order(orders, {**order, **lab})
    with orders.clock.at(CANCELLED):
        cancelled = cancel(orders, order_id)
    at = int(CANCELLED.timestamp())
    assert (cancelled.lab_status, cancelled.updated, cancelled.version) == ("cancelled", at, 2)
    assert cancelled.cancellation == pb.Cancellation(client=at)
    assert not cancelled.HasField("editable_until")
    assert list_actions(cancelled) == {"duplicate"}
    assert list_history(cancelled) == [
        ("created", "pending_transmission", "client", USERS["client"], ""),
        ("cancelled", "cancelled", "client", USERS["client"], ""),
    ]
    # The lab never sees it, and time does nothing to it.
    assert advance_by_time(orders.database, OVER) == 0
    asked = pb.GetLabOrderRequest(order_id=order_id)
    assert orders.refusal("GetLabOrder", asked, "staff", desk=True).code is StatusCode.NOT_FOUND
    tray = pb.UpdateOrderRequest(order_id=order_id, tray_number="T-1")
    assert orders.refusal("UpdateOrder", tray, "staff", desk=True).code is StatusCode.NOT_FOUND
    listed = pb.ListLabOrdersRequest(lab=lab["lab"], lab_status="cancelled")
    assert list(orders.call("ListLabOrders", listed, "staff", desk=True).data) == []
    assert told(order_id) == []


@pytest.mark.parametrize("lab_status", ["submitted", "in_progress", "on_hold"])
def test_later_the_lab_is_asked(orders: Served, order: Body, lab_status: str) -> None:
    order_id = create_in_status(orders, order, lab_status)
    with orders.clock.at(CANCELLED):
        asked = cancel(orders, order_id)
    at = int(CANCELLED.timestamp())
    assert asked.lab_status == lab_status
    assert asked.cancellation == pb.Cancellation(client=at)
    assert list_actions(asked) == {"duplicate", "redo", "multi_pair"}
    assert list_history(asked)[-1] == (
        "cancel_requested",
        lab_status,
        "client",
        USERS["client"],
        "",
    )
    before = orders.rows()
    failure = find_refusal(orders, order_id)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert failure.message == "The lab is asked to cancel this order, and has not answered yet."
    assert orders.rows() == before


def test_the_lab_sees_who_asked(orders: Served, order: Body, unique: str) -> None:
    lab = add_lab(orders, unique, 0)
    order_id = create_order(orders, {**order, **lab})
    listed = pb.ListLabOrdersRequest(lab=lab["lab"])
    (before,) = orders.call("ListLabOrders", listed, "staff", desk=True).data
    assert not before.HasField("cancel_requested")
    with orders.clock.at(CANCELLED):
        cancel(orders, order_id)
    (after,) = orders.call("ListLabOrders", listed, "staff", desk=True).data
    assert after.cancel_requested == int(CANCELLED.timestamp())


def test_an_order_that_is_leaving_is_asked_for(orders: Served, order: Body, unique: str) -> None:
    """Between the end of the window and the transmission nothing is lost."""
    lab = add_lab(orders, unique, 5)
    with orders.clock.at(SUBMITTED):
        order_id = create_order(orders, {**order, **lab})
    with orders.clock.at(OVER):
        asked = cancel(orders, order_id)
    assert asked.lab_status == "pending_transmission"
    advance_by_time(orders.database, OVER)
    after = fetch_order(orders, order_id)
    assert (after.lab_status, after.cancellation) == ("submitted", asked.cancellation)


@pytest.mark.parametrize("lab_status", ["draft", "shipped", "cancelled"])
def test_an_order_that_has_ended_is_not_cancelled(
    orders: Served, order: Body, lab_status: str
) -> None:
    if lab_status == "draft":
        order_id = create_order(orders, {**order, "mode": "draft"})
    else:
        order_id = create_in_status(orders, order, lab_status)
    before = orders.rows()
    failure = find_refusal(orders, order_id)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert lab_status in failure.message
    assert orders.rows() == before


def test_that_the_lab_cancelled_is_another_fact(orders: Served, order: Body) -> None:
    alone, asked = (create_order(orders, order) for _ in range(2))
    with orders.clock.at(SUBMITTED):
        cancel(orders, asked)
    with orders.clock.at(CANCELLED):
        for order_id in (alone, asked):
            move(orders, order_id, "cancelled", lab_word="Frame broke")
    at, before = int(CANCELLED.timestamp()), int(SUBMITTED.timestamp())
    by_lab, by_both = fetch_order(orders, alone), fetch_order(orders, asked)
    assert by_lab.cancellation == pb.Cancellation(lab=at)
    assert by_both.cancellation == pb.Cancellation(client=before, lab=at, answer="accepted")
    assert list_history(by_lab)[-1] == ("cancelled", "cancelled", "lab", "", "Frame broke")


def test_of_many_who_cancel_at_once_one_does(orders: Served, order: Body, unique: str) -> None:
    asked = pb.CancelOrderRequest(order_id=create_order(orders, order))

    def act(stub: Any, number: int) -> str:
        try:
            stub.CancelOrder(asked, metadata=metadata(f"{unique}-{number}"), timeout=10)
        except grpc.RpcError as error:
            return decode(error).reason
        return "asked"

    answers = act_at_once(orders, act)
    assert (answers.count("asked"), answers.count("WRONG_STATE")) == (1, len(answers) - 1)


def test_a_key_cancels_once(orders: Served, order: Body, unique: str) -> None:
    order_id = create_order(orders, order)
    first = cancel(orders, order_id, idempotency_key=unique)
    assert cancel(orders, order_id, idempotency_key=unique) == first


def test_every_status_is_tested() -> None:
    assert WAYS.keys() == {"submitted", "in_progress", "on_hold", "shipped", "cancelled"}

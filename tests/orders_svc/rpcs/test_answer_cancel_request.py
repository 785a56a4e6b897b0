"""AnswerCancelRequest: a lab cancels an order on request or lets it go on, on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body
from tests.orders_svc.documents.test_events import told
from tests.orders_svc.life import list_actions, list_history
from tests.orders_svc.rpcs.test_cancel_order import cancel
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_update_order import create_in_status, move
from tests.serving import Served

__all__ = ["told"]
ASKED = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANSWERED = datetime(2026, 3, 1, 13, tzinfo=UTC)


def answer(
    orders: Served, order_id: str, *, accepted: bool, reason: str | None = None
) -> pb.LabOrder:
    """An order after the lab's answer."""
    asked = pb.AnswerCancelRequestRequest(order_id=order_id, accepted=accepted, reason=reason)
    answered: pb.LabOrder = orders.call("AnswerCancelRequest", asked, "staff", desk=True)
    return answered


def find_refusal(orders: Served, **fields: Any) -> Any:
    """The refusal of an answer."""
    asked = pb.AnswerCancelRequestRequest(**fields)
    return orders.refusal("AnswerCancelRequest", asked, "staff", desk=True)


@pytest.mark.parametrize("lab_status", ["submitted", "in_progress", "on_hold"])
def test_it_works(orders: Served, order: Body, lab_status: str, told: Any) -> None:
    order_id = create_in_status(orders, order, lab_status)
    events = len(told(order_id))
    with orders.clock.at(ASKED):
        cancel(orders, order_id)
    with orders.clock.at(ANSWERED):
        answered = answer(orders, order_id, accepted=True, reason="Not cut yet")
    assert (answered.lab_status, answered.HasField("cancel_requested")) == ("cancelled", False)
    after = fetch_order(orders, order_id)
    assert after.cancellation == pb.Cancellation(
        client=int(ASKED.timestamp()),
        lab=int(ANSWERED.timestamp()),
        answer="accepted",
        reason="Not cut yet",
    )
    assert list_history(after)[-1] == ("cancelled", "cancelled", "lab", "", "Not cut yet")
    assert [each.type for each in told(order_id)[events:]] == ["order.status_changed"]


def test_refused_the_order_goes_on_and_may_be_asked_for_again(
    orders: Served, order: Body, told: Any
) -> None:
    order_id = create_in_status(orders, order, "in_progress")
    with orders.clock.at(ASKED):
        cancel(orders, order_id)
    assert answer(orders, order_id, accepted=False, reason="Cut").lab_status == "in_progress"
    after = fetch_order(orders, order_id)
    at = int(ASKED.timestamp())
    assert after.cancellation == pb.Cancellation(client=at, answer="refused", reason="Cut")
    assert list_history(after)[-1] == ("cancel_refused", "in_progress", "lab", "", "Cut")
    assert "request_cancel" in list_actions(after)
    assert told(order_id)[-1].type == "order.cancel_refused"
    with orders.clock.at(ANSWERED):
        again = cancel(orders, order_id)
    assert again.cancellation == pb.Cancellation(client=int(ANSWERED.timestamp()))
    move(orders, order_id, "shipped")
    assert find_refusal(orders, order_id=order_id, accepted=True).reason == "WRONG_STATE"


def test_nobody_asked(orders: Served, order: Body) -> None:
    order_id = create_order(orders, order)
    draft = create_order(orders, {**order, "mode": "draft"})
    before = orders.rows()
    failure = find_refusal(orders, order_id=order_id, accepted=True)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    for unknown in (draft, "ord_" + "0" * 24, " "):
        assert find_refusal(orders, order_id=unknown, accepted=True).code is StatusCode.NOT_FOUND
    assert orders.rows() == before


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "accepted"),
        ({"accepted": True, "reason": " "}, "reason"),
        ({"accepted": True, "reason": "x" * 251}, "reason"),
    ],
)
def test_an_answer_says_yes_or_no(orders: Served, order: Body, fields: Any, path: str) -> None:
    order_id = create_order(orders, order)
    cancel(orders, order_id)
    failure = find_refusal(orders, order_id=order_id, **fields)
    assert [fault.path for fault in failure.faults] == [path]


def test_a_key_answers_once(orders: Served, order: Body, unique: str) -> None:
    order_id = create_order(orders, order)
    cancel(orders, order_id)
    asked = pb.AnswerCancelRequestRequest(order_id=order_id, accepted=True)
    again: dict[str, Any] = {"desk": True, "idempotency_key": unique}
    first = orders.call("AnswerCancelRequest", asked, "staff", **again)
    assert orders.call("AnswerCancelRequest", asked, "staff", **again) == first

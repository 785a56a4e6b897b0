"""ListLabOrders, GetLabOrder and GetLabOrderJob, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode

from chassis.errors import Fault
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, request
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_update_order import move
from tests.serving import Served

FIRST_MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOCUMENTS: list[tuple[str, Any]] = [
    ("GetLabOrder", pb.GetLabOrderRequest),
    ("GetLabOrderJob", pb.GetLabOrderJobRequest),
]


def ask_as_staff(orders: Served, rpc: str, asked: Any) -> Any:
    """Call as staff, and return the answer."""
    return orders.call(rpc, asked, "staff", desk=True)


def queue(orders: Served, lab: Body, **filters: Any) -> tuple[list[str], bool]:
    """The ids of a page, and whether there are more."""
    asked = pb.ListLabOrdersRequest(lab=lab["lab"], **filters)
    listed = ask_as_staff(orders, "ListLabOrders", asked)
    return [each.id for each in listed.data], listed.has_more


def create_orders(orders: Served, order: Body, count: int, start: int = 0) -> list[str]:
    """Ids of new orders, a second apart."""
    ids = []
    for number in range(start, start + count):
        with orders.clock.at(FIRST_MOMENT + timedelta(seconds=number)):
            ids.append(create_order(orders, order))
    return ids


def test_it_works(orders: Served, frame_order: Body, lab: Body) -> None:
    (order_id,) = create_orders(orders, {**frame_order, **lab}, 1)
    listed = ask_as_staff(orders, "ListLabOrders", pb.ListLabOrdersRequest(lab=lab["lab"]))
    at = int(FIRST_MOMENT.timestamp())
    times: dict[str, Any] = {"created": at, "submitted": at, "updated": at}
    row = pb.LabOrder(id=order_id, **lab, lab_status="submitted", **times)
    assert listed == pb.ListLabOrdersResponse(has_more=False, data=[row])


def test_the_queue_is_in_order_of_submission(orders: Served, frame_order: Body, lab: Body) -> None:
    order = {**frame_order, **lab}
    (draft,) = create_orders(orders, {**order, "mode": "draft"}, 1)
    first, second = create_orders(orders, order, 2, 1)
    assert queue(orders, lab) == ([first, second], False)
    with orders.clock.at(FIRST_MOMENT + timedelta(seconds=9)):
        orders.call("SubmitOrder", pb.SubmitOrderRequest(order_id=draft))
    assert queue(orders, lab) == ([first, second, draft], False)
    assert queue(orders, lab, limit=2) == ([first, second], True)


def test_a_queue_is_filtered_by_a_person(orders: Served, frame_order: Body, lab: Body) -> None:
    order = {**frame_order, **lab}
    patient = order["patient"]
    first, _, third = (
        create_orders(orders, {**order, "patient": {**patient, "person_ref": ref}}, 1, number)[0]
        for number, ref in enumerate(("p-1", "p-2", "p-1"))
    )
    assert queue(orders, lab, person_ref="p-1") == ([first, third], False)
    assert queue(orders, lab, person_ref="p-1", limit=1) == ([first], True)
    assert queue(orders, lab, person_ref="p-1", starting_after=first) == ([third], False)
    assert queue(orders, lab, person_ref="P-1") == ([], False)


def test_a_queue_is_walked_both_ways_while_orders_come_and_move(
    orders: Served, frame_order: Body, lab: Body
) -> None:
    order = {**frame_order, **lab}
    ids = create_orders(orders, order, 7)
    down, more = queue(orders, lab, limit=2)
    while more:
        ids += create_orders(orders, order, 1, len(ids)) if len(ids) < 9 else []
        found, more = queue(orders, lab, limit=2, starting_after=down[-1])
        down += found
        move(orders, down[0], "in_progress") if len(down) == 4 else None
    assert down == ids
    # The first and the cursor are in other states by now.
    move(orders, ids[4], "cancelled")
    assert queue(orders, lab, ending_before=ids[4], limit=2) == (ids[2:4], True)
    assert queue(orders, lab, ending_before=ids[3], limit=2) == (ids[1:3], False)
    assert queue(orders, lab, starting_after=ids[4], limit=2) == (ids[5:7], True)
    assert queue(orders, lab, lab_status="in_progress") == (ids[:1], False)
    assert queue(orders, lab, lab_status="cancelled") == (ids[4:5], False)
    assert queue(orders, lab, lab_status="shipped") == ([], False)


@pytest.mark.parametrize(
    ("filters", "path"),
    [
        ({"lab": ""}, "lab"),
        ({"person_ref": ""}, "person_ref"),
        ({"lab": "\0"}, "lab"),
        ({"lab_status": "draft"}, "lab_status"),
        ({"lab_status": "x"}, "lab_status"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"starting_after": "x"}, "starting_after"),
        ({"ending_before": "ord_"}, "ending_before"),
        ({"starting_after": "x", "ending_before": "y"}, "ending_before"),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(
    orders: Served, filters: dict[str, Any], path: str
) -> None:
    asked = pb.ListLabOrdersRequest(**{"lab": "lab_123", **filters})
    failure = orders.refusal("ListLabOrders", asked, "staff", desk=True)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert path in [fault.path for fault in failure.faults]


def test_an_order_of_another_lab_or_a_draft_is_no_cursor(
    orders: Served, frame_order: Body, lab: Body
) -> None:
    (draft,) = create_orders(orders, {**frame_order, **lab, "mode": "draft"}, 1)
    elsewhere = create_order(orders, frame_order)
    for cursor in (draft, elsewhere):
        asked = pb.ListLabOrdersRequest(lab=lab["lab"], starting_after=cursor)
        failure = orders.refusal("ListLabOrders", asked, "staff", desk=True)
        message = "Must be the id of an order of this list."
        assert failure.faults == (Fault("starting_after", message),)


def test_a_lab_that_is_none_is_not_found(orders: Served) -> None:
    asked = pb.ListLabOrdersRequest(lab="lab_999")
    failure = orders.refusal("ListLabOrders", asked, "staff", desk=True)
    assert (failure.code, failure.message) == (StatusCode.NOT_FOUND, "There is no such lab.")


def test_a_lab_gets_the_whole_order_and_its_job(orders: Served, order: Body) -> None:
    order_id = create_order(orders, order)
    whole = ask_as_staff(orders, "GetLabOrder", pb.GetLabOrderRequest(order_id=order_id))
    assert whole == fetch_order(orders, order_id)
    job = ask_as_staff(orders, "GetLabOrderJob", pb.GetLabOrderJobRequest(order_id=order_id))
    assert job == orders.call("GetOrderJob", pb.GetOrderJobRequest(order_id=order_id))


@pytest.mark.parametrize(("rpc", "kind"), DOCUMENTS)
def test_what_was_not_sent_is_not_found(orders: Served, order: Body, rpc: str, kind: Any) -> None:
    draft = orders.call("CreateOrder", request(order, mode="draft")).id
    for order_id in (draft, "", "\0", "ord_" + "0" * 24):
        failure = orders.refusal(rpc, kind(order_id=order_id), "staff", desk=True)
        assert (failure.code, failure.message) == (
            StatusCode.NOT_FOUND,
            "There is no such order.",
        )

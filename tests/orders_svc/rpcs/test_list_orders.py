"""ListOrders, page by page while orders arrive, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode
from sqlalchemy import text

from chassis.errors import Fault
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import LAB, Body, request
from tests.serving import Served

Filters = dict[str, Any]
FIRST_MOMENT = datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC)
VISION: Filters = {"lab": "lab_456", "account_number": "7654321"}
ACME: Filters = dict(LAB)
SECOND_USER: Filters = {"user_email": "second@example.com"}


def create_orders(
    orders: Served, order: Body, count: int, start: datetime = FIRST_MOMENT, **step: float
) -> Any:
    """Ids of new orders, oldest first, a step apart."""
    ids = []
    for number in range(count):
        with orders.clock.at(start + number * timedelta(**step)):
            ids.append(orders.call("CreateOrder", request(order)).id)
    return ids


def read_page(orders: Served, lab: Filters, **filters: Any) -> tuple[list[str], bool]:
    """The ids of a page, and whether there are more."""
    listed = orders.call("ListOrders", pb.ListOrdersRequest(**lab, **filters))
    return [each.id for each in listed.data], listed.has_more


def test_it_works(orders: Served, frame_order: Body, lab: Filters) -> None:
    draft = {**frame_order, **lab, "mode": "draft"}
    (older,) = create_orders(orders, draft, 1)
    (newer,) = create_orders(
        orders, {**draft, "mode": "submit"}, 1, FIRST_MOMENT + timedelta(seconds=90)
    )
    listed = orders.call("ListOrders", pb.ListOrdersRequest(**lab))
    at = 1772366400
    times: Filters = {"created": at + 90, "updated": at + 90}
    assert listed == pb.ListOrdersResponse(
        has_more=False,
        data=[
            pb.ListedOrder(id=newer, lab_status="submitted", **times),
            pb.ListedOrder(id=older, lab_status="draft", created=at, updated=at),
        ],
    )


def test_there_may_be_none(orders: Served, lab: Filters) -> None:
    assert read_page(orders, lab) == ([], False)


def test_a_page_has_ten_when_nobody_says(orders: Served, frame_order: Body, lab: Filters) -> None:
    ids = create_orders(orders, {**frame_order, **lab}, 11, seconds=1)[::-1]
    assert read_page(orders, lab) == (ids[:10], True)
    assert read_page(orders, lab, limit=11) == (ids, False)
    assert read_page(orders, lab, limit=1) == (ids[:1], True)


@pytest.mark.parametrize("step", [1.0, 0.0])
def test_pages_are_stable_while_orders_arrive(
    orders: Served, frame_order: Body, lab: Filters, step: float
) -> None:
    """Down and up again; without a step all orders have the same moment."""
    sent = {**frame_order, **lab}
    known = create_orders(orders, sent, 10, seconds=step)
    newest_first = read_page(orders, lab, limit=100)[0]
    assert sorted(newest_first) == sorted(known)
    if step:
        assert newest_first == known[::-1]

    down, more = read_page(orders, lab, limit=3)
    while more:
        create_orders(orders, sent, 1, FIRST_MOMENT + timedelta(seconds=60))
        found, more = read_page(orders, lab, limit=3, starting_after=down[-1])
        down += found
    assert down == newest_first

    late = read_page(orders, lab, limit=100)[0][:3]
    up, more = [down[-1]], True
    while more:
        create_orders(orders, sent, 1, FIRST_MOMENT - timedelta(seconds=60))
        found, more = read_page(orders, lab, limit=4, ending_before=up[0])
        up = found + up
    assert up == late + newest_first
    assert read_page(orders, lab, ending_before=up[0]) == ([], False)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"created_gt": 0}, "4321"),
        ({"created_gt": 1}, "432"),
        ({"created_gte": 2}, "432"),
        ({"created_lt": 2}, "1"),
        ({"created_lte": 2}, "21"),
        ({"created_gte": 2, "created_lte": 3}, "32"),
        ({"created_gt": 1, "created_lt": 4, "limit": 1}, "3"),
        ({"created_gt": 4}, ""),
        ({"created_gte": 3, "created_lte": 2}, ""),
    ],
)
def test_created_counts_whole_seconds(
    orders: Served, frame_order: Body, lab: Filters, filters: dict[str, int], found: str
) -> None:
    ids = create_orders(
        orders, {**frame_order, **lab}, 4, FIRST_MOMENT + timedelta(seconds=1), seconds=1
    )
    at = int(FIRST_MOMENT.timestamp())
    asked = {name: each + at if "created" in name else each for name, each in filters.items()}
    listed, _ = read_page(orders, lab, **asked)
    assert "".join(str(ids.index(each) + 1) for each in listed) == found


def test_a_cursor_outside_of_the_filter_still_counts(
    orders: Served, frame_order: Body, lab: Filters
) -> None:
    ids = create_orders(orders, {**frame_order, **lab}, 4, seconds=1)
    until = int(FIRST_MOMENT.timestamp()) + 1
    listed = read_page(orders, lab, starting_after=ids[3], created_lte=until)
    assert listed == ([ids[1], ids[0]], False)


def test_the_widest_bounds_are_taken(orders: Served, lab: Filters) -> None:
    most = 99_999_999_999
    bounds: Filters = {"created_gte": 0, "created_gt": 0, "created_lt": most, "created_lte": most}
    assert read_page(orders, lab, **bounds) == ([], False)


@pytest.mark.parametrize(
    ("filters", "path", "message"),
    [
        ({"limit": 0}, "limit", "Must be from 1 to 100."),
        ({"limit": 101}, "limit", "Must be from 1 to 100."),
        ({"limit": -1}, "limit", "Must be from 1 to 100."),
        ({"created_gt": -1}, "created_gt", "Must be from 0 to 99999999999."),
        ({"created_lte": 1772366400000}, "created_lte", "Must be from 0 to 99999999999."),
        ({"created_gte": 2**63 - 1}, "created_gte", "Must be from 0 to 99999999999."),
        (
            {"starting_after": "a", "ending_before": "b"},
            "ending_before",
            "Not together with starting_after.",
        ),
        (
            {"starting_after": "a\0"},
            "starting_after",
            "Control characters are not allowed.",
        ),
        ({"starting_after": "x"}, "starting_after", "Must be the id of an order of this list."),
        ({"person_ref": ""}, "person_ref", "Must be 1 to 64 characters and not blank."),
        ({"ending_before": "é" * 99}, "ending_before", "Must be the id of an order of this list."),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(
    orders: Served, filters: dict[str, Any], path: str, message: str
) -> None:
    failure = orders.refusal("ListOrders", pb.ListOrdersRequest(**ACME, **filters))
    assert (failure.code, failure.faults) == (
        StatusCode.INVALID_ARGUMENT,
        (Fault(path, message),),
    )


def test_an_order_of_another_list_is_no_cursor(
    orders: Served, frame_order: Body, lab: Filters
) -> None:
    (elsewhere,) = create_orders(orders, {**frame_order, **VISION}, 1)
    for name in ("starting_after", "ending_before"):
        failure = orders.refusal("ListOrders", pb.ListOrdersRequest(**lab, **{name: elsewhere}))
        assert [fault.path for fault in failure.faults] == [name]


def test_users_see_their_labs_orders_whoever_made_them(orders: Served, frame_order: Body) -> None:
    (mine,) = create_orders(orders, {**frame_order, **VISION}, 1, datetime.now(UTC))
    asked = pb.ListOrdersRequest(**VISION, limit=100)
    assert mine in [each.id for each in orders.call("ListOrders", asked, **SECOND_USER).data]
    for who in (SECOND_USER, {"who": "other"}):
        failure = orders.refusal("ListOrders", pb.ListOrdersRequest(**ACME), **who)
        assert failure.code is StatusCode.NOT_FOUND


def test_another_clients_orders_under_the_same_account_number_are_not_listed(
    orders: Served, frame_order: Body, lab: Filters
) -> None:
    with orders.database.write() as tx:
        tx.execute(
            text(
                "INSERT INTO user_labs (user_id, lab_id, account_number) "
                "SELECT id, :lab, :account_number FROM users WHERE email = 'stranger@example.org'"
            ),
            lab,
        )
    (mine,) = create_orders(orders, {**frame_order, **lab}, 1)
    asked = pb.ListOrdersRequest(**lab)
    assert orders.call("ListOrders", asked, "other") == pb.ListOrdersResponse()
    for name in ("starting_after", "ending_before"):
        asked = pb.ListOrdersRequest(**lab, **{name: mine})
        assert orders.refusal("ListOrders", asked, "other").code is StatusCode.INVALID_ARGUMENT
    one = pb.GetOrderRequest(order_id=mine)
    assert orders.refusal("GetOrder", one, "other").code is StatusCode.NOT_FOUND

"""An order with a window is transmitted when it is over, once, on both engines."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orders_svc.actions.advance_by_time import advance_by_time, create_time_loop
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, request
from tests.orders_svc.documents.test_events import told
from tests.orders_svc.life import add_lab, hold_of_user, list_actions, list_history
from tests.orders_svc.rpcs.test_get_order import VISION, create_order, fetch_order
from tests.orders_svc.rpcs.test_submit_order import submit
from tests.serving import USERS, Served

__all__ = ["told"]
SUBMITTED = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
OVER = SUBMITTED + timedelta(minutes=5)
SHORTLY_BEFORE = OVER - timedelta(milliseconds=1)


@pytest.fixture(autouse=True)
def nothing_waits(orders: Served) -> None:
    """No order of another test is due."""
    advance_by_time(orders.database, OVER + timedelta(days=36_500))


@pytest.fixture
def slow(orders: Served, unique: str) -> Body:
    """A lab with a window of five minutes."""
    return add_lab(orders, unique, 5)


def test_it_works(orders: Served, order: Body, slow: Body, told: Any) -> None:
    with orders.clock.at(SUBMITTED):
        order_id = create_order(orders, {**order, **slow})
        pending = fetch_order(orders, order_id)
    assert pending.lab_status == "pending_transmission"
    assert pending.editable_until == int(OVER.timestamp())
    assert list_actions(pending) == {"edit", "cancel", "duplicate"}
    listed = pb.ListLabOrdersRequest(lab=slow["lab"])
    assert not orders.call("ListLabOrders", listed, "staff", desk=True).data
    assert advance_by_time(orders.database, SHORTLY_BEFORE) == 0
    assert told(order_id) == []
    assert advance_by_time(orders.database, OVER) == 1
    at = int(OVER.timestamp())
    after = fetch_order(orders, order_id)
    assert (after.lab_status, after.updated, after.version) == ("submitted", at, 2)
    assert not after.HasField("editable_until")
    assert list_history(after) == [
        ("created", "pending_transmission", "client", USERS["client"], ""),
        ("transmitted", "submitted", "system", "", ""),
    ]
    (listed_order,) = orders.call("ListLabOrders", listed, "staff", desk=True).data
    assert (listed_order.id, listed_order.submitted) == (order_id, at)
    (event,) = told(order_id)
    assert event.type == "order.submitted"
    assert json.loads(event.body)["data"] == {
        "id": order_id,
        "lab_status": "submitted",
        "created": int(SUBMITTED.timestamp()),
        "submitted": at,
        "updated": at,
    }
    assert advance_by_time(orders.database, OVER) == 0


def test_a_draft_waits_from_its_submit_on(orders: Served, order: Body, slow: Body) -> None:
    with orders.clock.at(SUBMITTED - timedelta(days=1)):
        order_id = create_order(orders, {**order, **slow, "mode": "draft"})
    with orders.clock.at(SUBMITTED):
        pending = submit(orders, order_id)
    assert (pending.lab_status, pending.editable_until) == (
        "pending_transmission",
        int(OVER.timestamp()),
    )
    assert advance_by_time(orders.database, SHORTLY_BEFORE) == 0
    assert advance_by_time(orders.database, OVER) == 1
    assert [each[:2] for each in list_history(fetch_order(orders, order_id))] == [
        ("created", "draft"),
        ("submitted", "pending_transmission"),
        ("transmitted", "submitted"),
    ]


def test_the_answer_to_a_create_says_until_when(orders: Served, order: Body, slow: Body) -> None:
    with orders.clock.at(SUBMITTED):
        created = orders.call("CreateOrder", request({**order, **slow}))
        at_once = orders.call("CreateOrder", request(order))
    assert created.editable_until == int(OVER.timestamp())
    assert not at_once.HasField("editable_until")


@pytest.mark.parametrize(("minutes", "seconds"), [(0, None), (1, 60), (1440, 86400)])
def test_the_value_of_a_user_beats_that_of_the_lab(
    orders: Served, order: Body, slow: Body, minutes: int, seconds: int | None
) -> None:
    with hold_of_user(orders, minutes), orders.clock.at(SUBMITTED):
        made = fetch_order(orders, create_order(orders, {**order, **slow}))
    if seconds is None:
        assert (made.lab_status, made.HasField("editable_until")) == ("submitted", False)
    else:
        assert made.editable_until == int(SUBMITTED.timestamp()) + seconds
    with orders.clock.at(SUBMITTED):
        colleague = fetch_order(orders, create_order(orders, {**order, **slow}))
    assert colleague.editable_until == int(OVER.timestamp())
    advance_by_time(orders.database, SUBMITTED + timedelta(days=2))


def test_in_the_demo_only_one_lab_has_a_window(orders: Served, order: Body) -> None:
    with orders.clock.at(SUBMITTED):
        theirs = fetch_order(orders, create_order(orders, {**order, **VISION}))
        ours = fetch_order(orders, create_order(orders, order))
    assert (theirs.lab_status, theirs.editable_until) == (
        "pending_transmission",
        int(OVER.timestamp()),
    )
    assert ours.lab_status == "submitted"
    assert advance_by_time(orders.database, OVER) == 1


def test_batches_leave_none_behind(orders: Served, order: Body, slow: Body) -> None:
    with orders.clock.at(SUBMITTED):
        ids = [create_order(orders, {**order, **slow}) for _ in range(5)]
    assert advance_by_time(orders.database, OVER, batch=2) == 5
    assert {fetch_order(orders, each).lab_status for each in ids} == {"submitted"}


def test_of_many_at_once_each_order_is_transmitted_once(
    orders: Served, order: Body, slow: Body, told: Any
) -> None:
    with orders.clock.at(SUBMITTED):
        ids = [create_order(orders, {**order, **slow}) for _ in range(12)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: advance_by_time(orders.database, OVER, 3), range(4)))
    assert sum(counts) == len(ids)
    assert [len(told(each)) for each in ids] == [1] * len(ids)
    with orders.database.read() as tx:
        wanted = tables.order_history.c.event == "transmitted"
        of_ours = tables.order_history.c.order_id.in_(ids)
        rows = tx.execute(tables.order_history.select().where(wanted, of_ours)).all()
    assert len(rows) == len(ids)


def test_the_loop_follows_the_clock(orders: Served, order: Body, slow: Body) -> None:
    with orders.clock.at(SUBMITTED):
        order_id = create_order(orders, {**order, **slow})
    moments = iter([SHORTLY_BEFORE, OVER])
    loop = create_time_loop(orders.database, lambda: next(moments))
    assert loop.work() == 0
    assert loop.work() == 1
    assert fetch_order(orders, order_id).lab_status == "submitted"

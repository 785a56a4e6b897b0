"""UpdateOrder: labs move orders, one winner each time, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from grpc import RpcError, StatusCode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import Fault
from orders_svc.rules.lab_status import ALLOWED_SOURCES
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.serving import Served, decode

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER_MOMENT = datetime(2026, 3, 2, 12, tzinfo=UTC)
# The contract, written down once more: where an order may go from each state.
GOES = {
    "draft": set(),
    "submitted": {"in_progress", "cancelled", "on_hold"},
    "in_progress": {"shipped", "cancelled", "on_hold"},
    "on_hold": {"submitted", "in_progress"},
    "shipped": set(),
    "cancelled": set(),
}
WAYS = {
    "submitted": [],
    "in_progress": ["in_progress"],
    "on_hold": ["on_hold"],
    "shipped": ["in_progress", "shipped"],
    "cancelled": ["cancelled"],
}


def move(orders: Served, order_id: str, lab_status: str = "", **numbers: Any) -> pb.LabOrder:
    """An order after a change."""
    asked = pb.UpdateOrderRequest(order_id=order_id, lab_status=lab_status, **numbers)
    moved: pb.LabOrder = orders.call("UpdateOrder", asked, "staff", desk=True)
    return moved


def find_refusal(orders: Served, **fields: Any) -> Any:
    """Return the refusal of a change."""
    return orders.refusal("UpdateOrder", pb.UpdateOrderRequest(**fields), "staff", desk=True)


def create_in_status(orders: Served, order: Body, lab_status: str) -> str:
    """Create an order in a status."""
    order_id = create_order(orders, order)
    for each in WAYS[lab_status]:
        move(orders, order_id, each)
    return order_id


def test_it_works(orders: Served, order: Body) -> None:
    with orders.clock.at(MOMENT):
        order_id = create_order(orders, order)
    with orders.clock.at(LATER_MOMENT):
        moved = move(orders, order_id, "in_progress", tray_number="T-1", invoice_number="I-1")
    at = int(MOMENT.timestamp())
    assert moved == pb.LabOrder(
        id=order_id,
        lab="lab_123",
        account_number="1234567",
        lab_status="in_progress",
        tray_number="T-1",
        invoice_number="I-1",
        created=at,
        submitted=at,
        updated=int(LATER_MOMENT.timestamp()),
    )
    seen = fetch_order(orders, order_id)
    assert (seen.lab_status, seen.tray_number, seen.invoice_number, seen.updated) == (
        "in_progress",
        "T-1",
        "I-1",
        moved.updated,
    )


def test_numbers_change_by_themselves_in_every_state(orders: Served, order: Body) -> None:
    for lab_status in WAYS:
        order_id = create_in_status(orders, order, lab_status)
        move(orders, order_id, tray_number="T-1")
        move(orders, order_id, tracking_number="1Z" * 50)
        moved = move(orders, order_id, invoice_number="é" * 50)
        assert moved.tracking_number == "1Z" * 50
        assert fetch_order(orders, order_id).tracking_number == "1Z" * 50
        assert (moved.lab_status, moved.tray_number) == (lab_status, "T-1")
        assert move(orders, order_id, tray_number="T-2").invoice_number == "é" * 50


def test_an_order_moves_as_the_contract_says_and_no_other_way(orders: Served, order: Body) -> None:
    for source, way in WAYS.items():
        for target in GOES:
            order_id = create_order(orders, order)
            for each in way:
                move(orders, order_id, each)
            if target in GOES[source]:
                assert move(orders, order_id, target).lab_status == target
                continue
            before = orders.rows()
            asked = {"order_id": order_id, "lab_status": target, "tray_number": "T"}
            failure = find_refusal(orders, **asked)
            if target == "draft":
                assert [fault.path for fault in failure.faults] == ["lab_status"]
            else:
                assert (failure.code, failure.reason) == (
                    StatusCode.FAILED_PRECONDITION,
                    "WRONG_STATE",
                )
                assert failure.message == f"The order is {source}, which does not allow this."
            assert orders.rows() == before


def test_the_table_is_that_of_the_contract() -> None:
    assert {(a, b) for b, before in ALLOWED_SOURCES.items() for a in before} == {
        (a, b) for a, after in GOES.items() for b in after
    }


def test_a_draft_does_not_exist_for_a_lab(orders: Served, order: Body) -> None:
    draft = create_order(orders, {**order, "mode": "draft"})
    before = orders.rows()
    for order_id in (draft, "ord_" + "0" * 24, "\0x", " "):
        for change in ({"lab_status": "submitted"}, {"tray_number": "T"}):
            failure = find_refusal(orders, order_id=order_id, **change)
            assert failure.code in (StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)
            assert (failure.code is StatusCode.INVALID_ARGUMENT) == ("\0" in order_id)
    assert orders.rows() == before


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({}, "lab_status"),
        ({"lab_status": "Shipped"}, "lab_status"),
        ({"lab_status": "draft"}, "lab_status"),
        ({"tray_number": ""}, "tray_number"),
        ({"tray_number": " "}, "tray_number"),
        ({"tray_number": "x" * 51}, "tray_number"),
        ({"invoice_number": "a\0"}, "invoice_number"),
        ({"invoice_number": "\x1b"}, "invoice_number"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    orders: Served, order: Body, change: Any, path: str
) -> None:
    order_id = create_order(orders, order)
    before = orders.rows()
    failure = find_refusal(orders, order_id=order_id, **change)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == [path]
    assert orders.rows() == before


def test_a_change_names_its_order(orders: Served) -> None:
    missing = Fault("order_id", "Missing data for required field.")
    assert missing in find_refusal(orders, lab_status="shipped").faults


def test_of_two_moves_at_once_one_wins(orders: Served, order: Body) -> None:
    for _ in range(8):
        order_id, barrier = create_in_status(orders, order, "in_progress"), Barrier(6)

        def act(target: str, order_id: str = order_id, barrier: Barrier = barrier) -> str:
            barrier.wait()
            try:
                return move(orders, order_id, target, tray_number=target).lab_status
            except RpcError as error:
                return decode(error).reason

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(act, ["shipped", "cancelled"] * 3))
        (won,) = set(answers) - {"WRONG_STATE"}
        assert answers.count(won) == 1
        after = fetch_order(orders, order_id)
        assert (after.lab_status, after.tray_number) == (won, won)


def test_any_way_is_that_of_the_model(orders: Served, order: Body) -> None:
    states, numbers = st.sampled_from([*GOES, ""]), st.sampled_from([None, "T-1", "T-2"])

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.booleans(), st.lists(st.tuples(states, numbers), max_size=8))
    def holds(drafted: bool, steps: list[tuple[str, str | None]]) -> None:
        order_id = create_order(orders, {**order, "mode": "draft" if drafted else "submit"})
        now, tray = "draft" if drafted else "submitted", ""
        for target, number in steps:
            asked = pb.UpdateOrderRequest(order_id=order_id, lab_status=target, tray_number=number)
            if (target in GOES[now] or not target) and (target or number) and now != "draft":
                now, tray = target or now, number or tray
                assert orders.call("UpdateOrder", asked, "staff", desk=True).lab_status == now
            else:
                orders.refusal("UpdateOrder", asked, "staff", desk=True)
            seen = fetch_order(orders, order_id)
            assert (seen.lab_status, seen.tray_number) == (now, tray)
        if now == "draft":
            orders.call("SubmitOrder", pb.SubmitOrderRequest(order_id=order_id))
            assert fetch_order(orders, order_id).lab_status == "submitted"

    holds()


def test_a_key_moves_once(orders: Served, order: Body, unique: str) -> None:
    order_id = create_in_status(orders, order, "submitted")
    asked = pb.UpdateOrderRequest(order_id=order_id, lab_status="in_progress")
    again: dict[str, Any] = {"desk": True, "idempotency_key": unique}
    first = orders.call("UpdateOrder", asked, "staff", **again)
    assert orders.call("UpdateOrder", asked, "staff", **again) == first


def test_clients_do_not_move_orders(orders: Served, order: Body) -> None:
    order_id = create_order(orders, order)
    asked = pb.UpdateOrderRequest(order_id=order_id, lab_status="cancelled")
    for who, code in (
        ("client", StatusCode.PERMISSION_DENIED),
        ("other", StatusCode.PERMISSION_DENIED),
        ("", StatusCode.UNAUTHENTICATED),
    ):
        assert orders.refusal("UpdateOrder", asked, who, desk=True).code is code
    assert fetch_order(orders, order_id).lab_status == "submitted"

"""ReplaceOrder: another document for a draft or a pending order, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from sqlalchemy import select

from chassis.errors import Fault
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, put, request
from tests.orders_svc.life import add_lab, list_actions, list_history, name_versions
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_one_key_at_once import act_at_once, metadata
from tests.orders_svc.rpcs.test_submit_order import submit
from tests.orders_svc.rpcs.test_update_order import move
from tests.serving import USERS, Served, decode

DRAFTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
EDITED = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


@pytest.fixture
def draft(order: Body) -> Body:
    """The example as a draft."""
    return {**order, "mode": "draft"}


def ask(order_id: str, order: Body) -> pb.ReplaceOrderRequest:
    """A request to replace an order."""
    return pb.ReplaceOrderRequest(order_id=order_id, order=request(order))


def find_refusal(orders: Served, order_id: str, order: Body, *versions: int) -> Any:
    """The refusal to replace an order."""
    return orders.refusal("ReplaceOrder", ask(order_id, order), **name_versions(*versions))


def replace(orders: Served, order_id: str, order: Body, *versions: int, **who: Any) -> pb.Order:
    """An order after its document was replaced."""
    named = name_versions(*versions) | who
    replaced: pb.Order = orders.call("ReplaceOrder", ask(order_id, order), **named)
    return replaced


def test_it_works(orders: Served, draft: Body) -> None:
    with orders.clock.at(DRAFTED):
        order_id = create_order(orders, draft)
    before = fetch_order(orders, order_id)
    put(draft, "patient", {"first_name": "Zoë", "last_name": "Smith-Jones"})
    put(draft, "rx.left_eye.sphere", -1.1)
    put(draft, "special_instructions")
    with orders.clock.at(EDITED):
        replaced = replace(orders, order_id, draft, 1)
    assert replaced == fetch_order(orders, order_id)
    assert (before.version, replaced.version) == (1, 2)
    assert (replaced.created, replaced.updated) == (before.created, int(EDITED.timestamp()))
    assert (replaced.lab_status, replaced.mode) == ("draft", "draft")
    assert replaced.patient.first_name == "Zoë"
    assert replaced.special_instructions == ""
    assert "power_off_step" in [each.code for each in replaced.warnings]
    assert list_history(replaced) == [
        ("created", "draft", "client", USERS["client"], ""),
        ("edited", "draft", "client", USERS["client"], ""),
    ]


def test_the_new_name_is_found_and_the_old_one_is_not(
    orders: Served, draft: Body, unique: str
) -> None:
    def search(text: str) -> list[str]:
        asked = pb.SearchOrdersRequest(text=text)
        return [each.id for each in orders.call("SearchOrders", asked, kind="Dashboard").data]

    put(draft, "patient", {"first_name": "Ann", "last_name": f"Old-{unique}"})
    order_id = create_order(orders, draft)
    assert search(unique) == [order_id]
    put(draft, "patient", {"first_name": "Ann", "last_name": f"New-X{unique}"})
    replace(orders, order_id, draft, 1)
    assert search(unique) == []
    assert search(f"x{unique}") == search("new x" + unique) == [order_id]


def test_a_stale_version_changes_nothing(orders: Served, draft: Body) -> None:
    order_id = create_order(orders, draft)
    replace(orders, order_id, draft, 1)
    before = orders.rows()
    for versions in [(1,), (3,), (0, 1)]:
        failure = find_refusal(orders, order_id, draft, *versions)
        assert (failure.code, failure.reason) == (
            StatusCode.FAILED_PRECONDITION,
            "VERSION_MISMATCH",
        )
    assert orders.rows() == before
    assert replace(orders, order_id, draft, 1, 2).version == 3


def test_without_if_match_any_version_is_replaced(orders: Served, draft: Body) -> None:
    order_id = create_order(orders, draft)
    assert [replace(orders, order_id, draft).version for _ in range(2)] == [2, 3]


@pytest.mark.parametrize(
    ("path", "value"),
    [("rx.left_eye.sphere", 99.0), ("mode", "submit"), ("lab", "lab_x"), ("patient", None)],
)
def test_a_document_that_breaks_a_rule_is_refused(
    orders: Served, draft: Body, path: str, value: Any
) -> None:
    order_id = create_order(orders, draft)
    before = orders.rows()
    put(draft, path, *([] if value is None else [value]))
    failure = find_refusal(orders, order_id, draft, 1)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == [path]
    assert orders.rows() == before


def test_a_draft_may_go_to_another_lab(orders: Served, draft: Body, unique: str) -> None:
    lab, order_id = add_lab(orders, unique, 0), create_order(orders, draft)
    replaced = replace(orders, order_id, {**draft, **lab}, 1)
    assert (replaced.lab, replaced.account_number) == (lab["lab"], unique)
    asked = pb.ListOrdersRequest(**lab)
    assert [each.id for each in orders.call("ListOrders", asked).data] == [order_id]


@pytest.mark.parametrize("lab_status", ["submitted", "in_progress", "cancelled"])
def test_an_order_that_the_lab_has_is_not_edited(
    orders: Served, draft: Body, order: Body, lab_status: str
) -> None:
    order_id = create_order(orders, order)
    if lab_status != "submitted":
        move(orders, order_id, lab_status)
    version = fetch_order(orders, order_id).version
    before = orders.rows()
    failure = find_refusal(orders, order_id, draft, version)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert failure.message == f"The order is {lab_status}, which does not allow this."
    assert orders.rows() == before


def test_a_pending_order_is_checked_as_a_submit(orders: Served, draft: Body, unique: str) -> None:
    lab = add_lab(orders, unique, 5)
    with orders.clock.at(DRAFTED):
        order_id = create_order(orders, {**draft, **lab})
        pending = submit(orders, order_id)
    assert (pending.lab_status, pending.version) == ("pending_transmission", 2)
    without = {**draft, **lab}
    put(without, "lens")
    with orders.clock.at(DRAFTED + timedelta(minutes=4, seconds=59)):
        failure = find_refusal(orders, order_id, without, 2)
        assert failure.faults == (Fault("lens", "Required to submit an order of type rx."),)
        elsewhere = find_refusal(orders, order_id, draft, 2)
        assert [fault.path for fault in elsewhere.faults] == ["lab"]
        for version, mode in ((2, "draft"), (3, "submit")):
            sent = {**draft, **lab, "mode": mode, "special_instructions": f"By {mode}"}
            replaced = replace(orders, order_id, sent, version)
            assert replaced.lab_status == "pending_transmission"
            assert (replaced.mode, replaced.special_instructions) == ("draft", f"By {mode}")
            assert replaced.editable_until == pending.editable_until
            assert list_actions(replaced) == {"edit", "cancel", "duplicate"}
    with orders.clock.at(DRAFTED + timedelta(minutes=5)):
        failure = find_refusal(orders, order_id, {**draft, **lab}, 4)
        assert failure.reason == "WRONG_STATE"
        assert list_actions(fetch_order(orders, order_id)) == {"request_cancel", "duplicate"}


def test_of_many_who_edit_at_once_one_does(orders: Served, draft: Body, unique: str) -> None:
    order_id = create_order(orders, draft)
    asked = ask(order_id, draft)

    def act(stub: Any, number: int) -> str:
        try:
            key = [*metadata(f"{unique}-{number}"), ("if-match", '"v1"')]
            stub.ReplaceOrder(asked, metadata=key, timeout=10)
        except grpc.RpcError as error:
            return decode(error).reason
        return "edited"

    answers = act_at_once(orders, act)
    assert (answers.count("edited"), answers.count("VERSION_MISMATCH")) == (1, len(answers) - 1)


def test_edits_and_submits_at_once_never_mix(orders: Served, draft: Body, unique: str) -> None:
    """What is submitted is what was checked: an edit between the two is refused or comes first."""
    order_id = create_order(orders, draft)
    without = dict(draft)
    put(without, "lens")  # may be a draft, and no submit

    def act(stub: Any, number: int) -> str:
        key = metadata(f"{unique}-{number}")
        try:
            if number % 2:
                key.append(("if-match", '"v1"'))
                stub.ReplaceOrder(ask(order_id, without), metadata=key, timeout=10)
                return "edited"
            stub.SubmitOrder(pb.SubmitOrderRequest(order_id=order_id), metadata=key, timeout=10)
        except grpc.RpcError as error:
            return decode(error).reason
        return "submitted"

    answers = act_at_once(orders, act)
    assert answers.count("edited") + answers.count("submitted") == 1
    after = fetch_order(orders, order_id)
    assert after.HasField("lens") == (after.lab_status == "submitted")


def test_a_key_replaces_once(orders: Served, draft: Body, unique: str) -> None:
    order_id = create_order(orders, draft)
    first = replace(orders, order_id, draft, 1, idempotency_key=unique)
    assert replace(orders, order_id, draft, 1, idempotency_key=unique) == first
    with orders.database.read() as tx:
        wanted = select(tables.orders.c.version).where(tables.orders.c.id == order_id)
        assert tx.execute(wanted).scalar_one() == 2

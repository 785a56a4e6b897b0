"""DuplicateOrder: copies, redos and further pairs of an order, on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from protos import orders_pb2 as pb
from tests.orders_svc.bodies import REDO_DATA, Body, put
from tests.orders_svc.life import add_lab, list_actions
from tests.orders_svc.rpcs.test_get_order import as_json, create_order, fetch_order
from tests.orders_svc.rpcs.test_submit_order import catalog, submit
from tests.orders_svc.rpcs.test_update_order import create_in_status, move
from tests.serving import Served

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = pb.RedoReason(type="Remake", reason="scratched")


def duplicate(orders: Served, order_id: str, **fields: Any) -> pb.CreateOrderResponse:
    """The answer to a new draft that was made from an order."""
    made: pb.CreateOrderResponse = orders.call("DuplicateOrder", ask(order_id, **fields))
    return made


def ask(order_id: str, **fields: Any) -> pb.DuplicateOrderRequest:
    """A request to make something of an order."""
    return pb.DuplicateOrderRequest(order_id=order_id, **fields)


def drop(orders: Served, order_id: str) -> None:
    """Delete a draft."""
    orders.call("DeleteOrder", pb.DeleteOrderRequest(order_id=order_id))


def read_document(order: pb.Order) -> Body:
    """The document of an order."""
    names = {each.name for each in pb.CreateOrderRequest.DESCRIPTOR.fields}
    return {name: each for name, each in as_json(order).items() if name in names}


@pytest.mark.parametrize("lab_status", ["draft", "submitted", "shipped", "cancelled"])
def test_a_copy_of_any_order(orders: Served, order: Body, lab_status: str) -> None:
    order["acknowledged_warnings"] = ["decentration"]
    if lab_status == "draft":
        order_id = create_order(orders, {**order, "mode": "draft"})
    else:
        order_id = create_in_status(orders, order, lab_status)
    before = fetch_order(orders, order_id)
    with orders.clock.at(MOMENT):
        made = duplicate(orders, order_id)
    copy = fetch_order(orders, made.id)
    assert made.url == copy.url
    expected = read_document(before)
    del expected["acknowledged_warnings"]
    assert read_document(copy) == {**expected, "mode": "draft", "submission_type": "new"}
    assert (copy.lab_status, copy.original) == ("draft", order_id)
    assert (copy.created, copy.traced) == (int(MOMENT.timestamp()), before.traced)
    assert fetch_order(orders, order_id) == before


@pytest.mark.parametrize(
    ("numbers", "reference"),
    [
        ({"tray_number": "T-1", "invoice_number": "I-1"}, "I-1"),
        ({"tray_number": "T-1"}, "T-1"),
        ({}, None),
    ],
)
def test_a_redo_marks_its_original(
    orders: Served, order: Body, numbers: dict[str, str], reference: str | None
) -> None:
    order_id = create_in_status(orders, order, "in_progress")
    move(orders, order_id, "shipped", **numbers)
    before = fetch_order(orders, order_id)
    with orders.clock.at(MOMENT):
        made = duplicate(orders, order_id, submission_type="redo", redo_data=REASON)
    redo = fetch_order(orders, made.id)
    assert (redo.submission_type, redo.original) == ("redo", order_id)
    assert redo.redo_data == pb.RedoData(
        type="Remake", reason="scratched", reference=reference or order_id
    )
    after = fetch_order(orders, order_id)
    assert (list(after.redone_by), list(after.pairs)) == ([made.id], [])
    assert (after.version, after.lab_status) == (before.version + 1, "shipped")
    assert submit(orders, made.id).lab_status == "submitted"
    assert list(fetch_order(orders, order_id).redone_by) == [made.id]


def test_further_pairs_are_listed(orders: Served, order: Body) -> None:
    order_id = create_order(orders, order)
    pairs = [duplicate(orders, order_id, submission_type="multi_pair").id for _ in range(2)]
    pair = fetch_order(orders, pairs[0])
    assert (pair.multi_pair_data.reference, pair.original) == (order_id, order_id)
    listed = fetch_order(orders, order_id)
    assert (sorted(listed.pairs), list(listed.redone_by)) == (sorted(pairs), [])
    drop(orders, pairs[0])
    after = fetch_order(orders, order_id)
    assert (list(after.pairs), after.version) == ([pairs[1]], listed.version + 1)


def test_a_copy_of_a_redo_is_a_new_order(orders: Served, redo: Body) -> None:
    copy = fetch_order(orders, duplicate(orders, create_order(orders, redo)).id)
    assert (copy.submission_type, copy.HasField("redo_data")) == ("new", False)
    assert redo["redo_data"] == REDO_DATA


@pytest.mark.parametrize("lab_status", ["draft", "pending_transmission", "cancelled"])
@pytest.mark.parametrize("submission_type", ["redo", "multi_pair"])
def test_the_lab_must_have_had_the_order(
    orders: Served, order: Body, unique: str, lab_status: str, submission_type: str
) -> None:
    if lab_status == "cancelled":
        order_id = create_in_status(orders, order, lab_status)
    elif lab_status == "draft":
        order_id = create_order(orders, {**order, "mode": "draft"})
    else:
        order_id = create_order(orders, {**order, **add_lab(orders, unique, 5)})
    assert submission_type not in list_actions(fetch_order(orders, order_id))
    reason = {"redo_data": REASON} if submission_type == "redo" else {}
    before = orders.rows()
    asked = ask(order_id, submission_type=submission_type, **reason)
    failure = orders.refusal("DuplicateOrder", asked)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert failure.message == f"The order is {lab_status}, which does not allow this."
    assert orders.rows() == before


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"submission_type": "x"}, "submission_type"),
        ({"submission_type": "redo"}, "redo_data"),
        ({"redo_data": REASON}, "redo_data"),
        ({"submission_type": "multi_pair", "redo_data": REASON}, "redo_data"),
        (
            {"submission_type": "redo", "redo_data": pb.RedoReason(type="Remake")},
            "redo_data.reason",
        ),
        (
            {"submission_type": "redo", "redo_data": pb.RedoReason(type="No", reason="x")},
            "redo_data.type",
        ),
    ],
)
def test_a_redo_has_a_reason(orders: Served, order: Body, fields: Any, path: str) -> None:
    order_id = create_order(orders, order)
    before = orders.rows()
    failure = orders.refusal("DuplicateOrder", ask(order_id, **fields))
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert [fault.path for fault in failure.faults] == [path]
    assert orders.rows() == before


def test_a_lens_that_is_no_longer_offered_is_left_out(orders: Served, order: Body) -> None:
    order_id = create_order(orders, order)
    with catalog(
        orders,
        "UPDATE addons SET id = 'gone' WHERE id = 'coat_456' AND material_id = 'material_123'",
        "UPDATE addons SET id = 'coat_456' WHERE id = 'gone'",
    ):
        copy = fetch_order(orders, duplicate(orders, order_id).id)
    expected = {**order, "mode": "draft"}
    put(expected, "lens")
    expected["shipping"]["address"]["country"] = "US"
    assert read_document(copy) == expected


def test_a_key_duplicates_once(orders: Served, order: Body, unique: str) -> None:
    asked = ask(create_order(orders, order), submission_type="multi_pair")
    first = orders.call("DuplicateOrder", asked, idempotency_key=unique)
    kept = orders.rows()
    assert orders.call("DuplicateOrder", asked, idempotency_key=unique) == first
    assert orders.rows() == kept

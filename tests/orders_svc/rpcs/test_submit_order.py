"""SubmitOrder: a draft is checked as a submit and goes to its lab, on both engines."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from sqlalchemy import text

from chassis.errors import Fault
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, put
from tests.orders_svc.life import created, find_actions
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.rpcs.test_one_key_at_once import act_at_once, metadata
from tests.serving import Served, decode

DRAFTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBMISSION_MOMENT = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


@pytest.fixture
def draft(order: Body) -> Body:
    """The example as a draft."""
    return {**order, "mode": "draft"}


def submit(orders: Served, order_id: str, **who: Any) -> pb.Order:
    """An order after it was submitted."""
    asked = pb.SubmitOrderRequest(order_id=order_id)
    order: pb.Order = orders.call("SubmitOrder", asked, **who)
    return order


@contextmanager
def catalog(orders: Served, change: str, back: str) -> Iterator[None]:
    """Another catalog for a while."""
    for statement in (change, back):
        with orders.database.write() as tx:
            tx.execute(text(statement))
        orders.refresh_cache()
        if statement is change:
            yield


def test_it_works(orders: Served, draft: Body) -> None:
    with orders.clock.at(DRAFTED):
        order_id = create_order(orders, draft)
    before = fetch_order(orders, order_id)
    assert (before.lab_status, before.mode) == ("draft", "draft")
    with orders.clock.at(SUBMISSION_MOMENT):
        submitted = submit(orders, order_id)
    before.lab_status, before.updated = "submitted", int(SUBMISSION_MOMENT.timestamp())
    before.version = 2
    before.available_actions.CopyFrom(pb.OrderActions(**find_actions("submitted")))
    entry = created(before.updated, "submitted") | {"event": "submitted"}
    before.history.append(pb.HistoryEntry(**entry))
    assert submitted == before == fetch_order(orders, order_id)
    with orders.database.read() as tx:
        wanted = tables.orders.select().where(tables.orders.c.id == order_id)
        row = tx.execute(wanted).one()
    assert (row.created_at, row.submitted_at, row.updated_at) == (
        DRAFTED,
        SUBMISSION_MOMENT,
        SUBMISSION_MOMENT,
    )


def test_missing_fields_are_named_by_path(orders: Served, draft: Body) -> None:
    put(draft, "lens")
    order_id = create_order(orders, draft)
    before = orders.rows()
    failure = orders.refusal("SubmitOrder", pb.SubmitOrderRequest(order_id=order_id))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert failure.faults == (Fault("lens", "Required to submit an order of type rx."),)
    assert orders.rows() == before


def test_what_the_lab_offers_no_more_is_named_by_path(orders: Served, draft: Body) -> None:
    order_id = create_order(orders, draft)
    with catalog(
        orders,
        "UPDATE addons SET id = 'gone' WHERE id = 'coat_456' AND material_id = 'material_123'",
        "UPDATE addons SET id = 'coat_456' WHERE id = 'gone'",
    ):
        failure = orders.refusal("SubmitOrder", pb.SubmitOrderRequest(order_id=order_id))
    message = "Must be the id of a coat of the style and material."
    assert failure.faults == (Fault("lens.coats.1", message),)
    assert submit(orders, order_id).lab_status == "submitted"


def test_warnings_are_those_of_the_last_check(orders: Served, draft: Body) -> None:
    put(draft, "rx.left_eye.sphere", -1.1)
    order_id = create_order(orders, draft)
    odd = pb.Warning(
        param="rx.left_eye.sphere",
        message="Is not a multiple of 0.125 D.",
        code="power_off_step",
        figures=pb.WarningFigures(limit=0.125),
    )
    imbalance = pb.Warning(
        param="rx",
        message="Reading 10 mm under the centres, the eyes differ by 1.9 prism dioptres, over 1.",
        code="vertical_imbalance",
        figures=pb.WarningFigures(value=1.9, limit=1),
    )
    assert list(fetch_order(orders, order_id).warnings) == [odd, imbalance]
    with catalog(
        orders,
        "UPDATE styles SET lens_type = 'single_vision' WHERE id = 'style_789'",
        "UPDATE styles SET lens_type = 'multifocal' WHERE id = 'style_789'",
    ):
        found = submit(orders, order_id).warnings
    assert [(each.param, each.code) for each in found] == [
        ("rx.right_eye.add", "add_on_single_vision"),
        ("rx.right_eye.seg_height", "seg_height_on_single_vision"),
        ("rx.left_eye.sphere", "power_off_step"),
        ("rx.left_eye.add", "add_on_single_vision"),
        ("rx.left_eye.seg_height", "seg_height_on_single_vision"),
    ]
    assert fetch_order(orders, order_id).warnings == found


def test_only_drafts_can_be_submitted(orders: Served, order: Body, draft: Body) -> None:
    for order_id in (create_order(orders, order), submit(orders, create_order(orders, draft)).id):
        before = orders.rows()
        failure = orders.refusal("SubmitOrder", pb.SubmitOrderRequest(order_id=order_id))
        assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
        assert failure.message == "The order is not a draft."
        assert orders.rows() == before


def test_a_key_submits_once(orders: Served, draft: Body, unique: str) -> None:
    order_id = create_order(orders, draft)
    first = submit(orders, order_id, idempotency_key=unique)
    kept = orders.rows()
    assert submit(orders, order_id, idempotency_key=unique) == first
    assert orders.rows() == kept


def test_of_many_who_submit_at_once_one_does(orders: Served, draft: Body, unique: str) -> None:
    asked = pb.SubmitOrderRequest(order_id=create_order(orders, draft))

    def act(stub: Any, number: int) -> str:
        try:
            return str(
                stub.SubmitOrder(
                    asked, metadata=metadata(f"{unique}-{number}"), timeout=10
                ).lab_status
            )
        except grpc.RpcError as error:
            return decode(error).reason

    answers = act_at_once(orders, act)
    assert answers.count("submitted") == 1
    assert answers.count("WRONG_STATE") == len(answers) - 1

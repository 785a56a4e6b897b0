"""CreateOrder, called directly over gRPC on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode
from sqlalchemy import select

from chassis.errors import Fault
from orders_svc.store import tables
from orders_svc.store.access import users
from orders_svc.store.personal import ORDERS
from protos.orders_pb2 import CreateOrderRequest, Lens, Rx, RxEye
from tests.orders_svc.bodies import REDO_DATA, Body, put, request
from tests.serving import Served

NO_LAB = (Fault("lab", "Must be one of your labs, with its account_number."),)
TRACED = {"a": 50.0, "b": 34.0, "lens_ed": 50.0, "circumference": 138.43}
MOMENT = datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC)


def read_row(orders: Served, order_id: str) -> Any:
    """Return the row of an order, opened where it is encrypted."""
    with orders.database.read() as tx:
        row = tx.execute(select(tables.orders).where(tables.orders.c.id == order_id)).one()
        return ORDERS.open(tx, row)


def test_it_works(orders: Served, order: Body) -> None:
    with orders.clock.at(MOMENT):
        created = orders.call("CreateOrder", request(order))
    assert created.id.startswith("ord_")
    assert not created.HasField("url")

    kept = read_row(orders, created.id)._mapping
    order["shipping"]["address"]["country"] = "US"
    with orders.database.read() as tx:
        accounts = tables.accounts.ids(tx)
        user = users.find_user(tx, "optician@example.com")
    assert user is not None
    is_hashed = orders.database.keyring is not None
    assert dict(kept) == {
        "id": created.id,
        "account_id": accounts["demo-client"],
        "user_id": user.id,
        "lab_id": "lab_123",
        "account_number": "1234567",
        "lab_status": "submitted",
        "tray_number": None,
        "invoice_number": None,
        "tracking_number": None,
        "person_ref": None,
        "document": order,
        "warnings": None,
        "traced": {"right_eye": TRACED, "left_eye": TRACED},
        "created_at": MOMENT,
        "submitted_at": MOMENT,
        "updated_at": MOMENT,
        "version": 1,
        "erased_at": None,
        "first_last": None if is_hashed else "ada example",
        "last_first": None if is_hashed else "example ada",
        "has_copies": False,
        **dict.fromkeys(("transmit_at", "original_id", "tracking_code")),
        **dict.fromkeys(("client_cancelled_at", "lab_cancelled_at")),
        **dict.fromkeys(("cancel_answer", "cancel_reason")),
    }
    history = [row for row in orders.rows()["order_history"] if row[0] == created.id]
    assert history == [], "its row says all of it"
    assert orders.rows()["outbox"] == [], "the client has no endpoint"


def test_a_draft_has_a_review_page(orders: Served, order: Body) -> None:
    created = orders.call("CreateOrder", request(order, mode="draft"))
    assert created.url == f"http://127.0.0.1:8080/orders/{created.id}"
    kept = read_row(orders, created.id)
    assert (kept.lab_status, kept.submitted_at) == ("draft", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "draft", "lens": None},
        {"submission_type": "redo", "redo_data": REDO_DATA},
        {"submission_type": "multi_pair", "multi_pair_data": {"reference": "TRAY-77"}},
        {"order_type": "frame", "mounting_option": None, "lens": None, "rx": None},
        {"rx": {"left_eye": {"sphere": 0}}},
        {"patient": {"first_name": "Zoë 👓", "last_name": "李" * 50}},
        {"special_instructions": "line\r\n\tline", "services": []},
    ],
)
def test_orders_of_every_type_are_kept_as_they_were_sent(
    orders: Served, order: Body, changes: Body
) -> None:
    sent = {name: each for name, each in {**order, **changes}.items() if each not in (None, [])}
    created = orders.call("CreateOrder", request(sent))
    sent["shipping"]["address"]["country"] = "US"
    assert read_row(orders, created.id).document == sent


def test_a_plano_eye_is_kept_with_its_zero(orders: Served, order: Body) -> None:
    eye = RxEye(sphere=0.0, cylinder=0.0, axis=180)
    sent = request(order)
    sent.rx.CopyFrom(Rx(left_eye=eye))
    created = orders.call("CreateOrder", sent)
    left = read_row(orders, created.id).document["rx"]["left_eye"]
    assert left == {"sphere": 0.0}


def test_faults_of_rules_and_of_the_lab_are_named_at_once(orders: Served, order: Body) -> None:
    before = orders.rows()
    changed = request(order, mode="maybe", services=["Tea"], mounting_option="Glue")
    changed.lens.CopyFrom(Lens(style="style_789", material="material_456", color=" "))
    failure = orders.refusal("CreateOrder", changed)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert {fault.path for fault in failure.faults} == {
        "mode",
        "lens.color",
        "mounting_option",
        "services.0",
        "lens.material",
    }
    assert orders.rows() == before


def test_an_empty_request_names_all_that_is_required(orders: Served) -> None:
    required = "mode submission_type order_type lab account_number patient frame"
    failure = orders.refusal("CreateOrder", CreateOrderRequest())
    assert sorted(fault.path for fault in failure.faults) == sorted(required.split())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("patient.first_name", "Ada\0"),
        ("patient.last_name", "Ada\x1b[31m"),
        ("frame.model", "\x7f"),
        ("special_instructions", "a\x00b"),
        ("shipping.address.line2", "\x08"),
        ("lab", "lab_123\0"),
        ("account_number", "\x01"),
    ],
)
def test_control_characters_are_refused(orders: Served, order: Body, path: str, value: str) -> None:
    before = orders.rows()
    put(order, path, value)
    failure = orders.refusal("CreateOrder", request(order))
    assert Fault(path, "Control characters are not allowed.") in failure.faults
    assert orders.rows() == before


def test_a_tracing_may_be_framed_by_control_characters(orders: Served, order: Body) -> None:
    order["frame"]["tracing"] = "\x1cTRCFMT=1;4;E;R;F\r\nR=2500;2500;2500;2500\r\n\x1eCRC=1\r\n\x1d"
    created = orders.call("CreateOrder", request(order))
    assert read_row(orders, created.id).document["frame"]["tracing"] == order["frame"]["tracing"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e308])
def test_a_number_that_is_none_is_refused(orders: Served, order: Body, value: float) -> None:
    sent = request(order)
    sent.rx.left_eye.sphere = value
    failure = orders.refusal("CreateOrder", sent)
    assert [fault.path for fault in failure.faults] == ["rx.left_eye.sphere"]


@pytest.mark.parametrize("lab", ["lab_456", "lab_999", "LAB_123", "x" * 10_000])
def test_a_lab_under_another_account_number_is_no_lab(
    orders: Served, order: Body, lab: str
) -> None:
    assert orders.refusal("CreateOrder", request(order, lab=lab)).faults == NO_LAB


def test_a_lab_of_another_client_is_no_lab(orders: Served, order: Body) -> None:
    assert orders.refusal("CreateOrder", request(order), "other").faults == NO_LAB


def test_a_lab_of_another_user_is_no_lab(orders: Served, order: Body) -> None:
    second: Body = {"user_email": "second@example.com"}
    assert orders.refusal("CreateOrder", request(order), **second).faults == NO_LAB
    lens = {"style": "style_456", "material": "material_789", "color": "color_789"}
    own = request({**order, "lab": "lab_456", "account_number": "7654321", "lens": lens})
    assert orders.call("CreateOrder", own, **second).id.startswith("ord_")


def test_an_order_has_nothing_of_another_labs_catalog(orders: Served, order: Body) -> None:
    lens = {"style": "style_456", "material": "material_789", "color": "color_789"}
    failure = orders.refusal("CreateOrder", request(order, lens=lens))
    assert [fault.path for fault in failure.faults] == ["lens.style"]


def test_orders_made_at_once_are_all_kept(orders: Served, order: Body) -> None:
    before = len(orders.rows()["orders"])
    with ThreadPoolExecutor(12) as pool:
        created = pool.map(lambda _: orders.call("CreateOrder", request(order)).id, range(36))
        assert len(set(created)) == 36
    assert len(orders.rows()["orders"]) == before + 36

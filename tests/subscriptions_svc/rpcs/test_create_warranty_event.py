"""CreateWarrantyEvent, called directly over gRPC on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode
from sqlalchemy import select

from protos.subscriptions_pb2 import CreateWarrantyEventRequest, Subscription
from subscriptions_svc.store.personal import WARRANTY_EVENTS
from subscriptions_svc.store.tables import warranty_events
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    activate,
    change_cart,
    confirm,
    create_confirmed,
    get,
    pay,
    set_status,
    solicit,
)

RPC = "CreateWarrantyEvent"
START = datetime(2026, 3, 1, 12, 0, 0, 651_000, tzinfo=UTC)
CART = [
    build_material(price_with_tax=50_000),
    build_package(build_lens("left"), build_material(reference="CASE")),
    build_package(build_material(), build_material(reference="B"), name="Glasses"),
]


@pytest.fixture
def active(subscriptions: Served, body: Any) -> Any:
    """A paid, active subscription of glasses, of lenses with a case, and of a set."""
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body, cart_items=CART)
        for item in made.last_persisted_cart.cart_items:
            activate(subscriptions, made.id, item.reference_uuid)
        yield pay(subscriptions, made.id)


def build_event(made: Subscription, product: Any, **changes: Any) -> CreateWarrantyEventRequest:
    values = {
        "subscription_id": made.id,
        "type": "repair",
        "charged_amount": 4500,
        "product_id": getattr(product, "reference_uuid", product),
        "name": "Broken arm",
        "description": "The left one.\nAgain.",
    }
    return CreateWarrantyEventRequest(**(values | changes))


def test_it_works(subscriptions: Served, active: Subscription) -> None:
    glasses = active.last_persisted_cart.cart_items[0]
    assert glasses.warranty_breakage_cost.string == "62,49 €"
    assert glasses.warranty_lost_cost.value == 12498
    answer = subscriptions.call(RPC, build_event(active, glasses))
    assert answer.success is True
    assert answer.message == "Evento de garantía creado exitosamente"
    with subscriptions.database.read() as tx:
        of_item = select(warranty_events).where(warranty_events.c.item_id == glasses.id)
        rows = WARRANTY_EVENTS.open_all(tx, tx.execute(of_item).all())
    names = ("item_id", "type", "charged_amount", "name", "description")
    kept = [tuple(row._mapping[name] for name in names) for row in rows]
    assert kept == [(glasses.id, "repair", 4500, "Broken arm", "The left one.\nAgain.")]
    assert get(subscriptions, active.id) == active


def test_parts_of_a_package_and_packages_without_a_lens_have_a_warranty(
    subscriptions: Served, active: Subscription
) -> None:
    _, mixed, glasses = active.last_persisted_cart.cart_items
    for product in (mixed.items[1], glasses, glasses.items[0]):
        assert product.HasField("warranty_lost_cost")
        assert subscriptions.call(RPC, build_event(active, product, type="replacement")).success


def test_a_contact_lens_has_none_nor_has_a_package_that_holds_one(
    subscriptions: Served, active: Subscription
) -> None:
    mixed = active.last_persisted_cart.cart_items[1]
    for product in (mixed, mixed.items[0]):
        assert not product.HasField("warranty_breakage_cost")
        failure = subscriptions.refusal(RPC, build_event(active, product))
        assert [fault.path for fault in failure.faults] == ["product_id"]


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"type": ""}, ["type"]),
        ({"type": "Repair"}, ["type"]),
        ({"charged_amount": None}, ["charged_amount"]),
        ({"charged_amount": 0}, ["charged_amount"]),
        ({"charged_amount": -1}, ["charged_amount"]),
        ({"charged_amount": 10**12 + 1}, ["charged_amount"]),
        ({"charged_amount": 2**63 - 1}, ["charged_amount"]),
        ({"product_id": ""}, ["product_id"]),
        ({"product_id": UNKNOWN}, ["product_id"]),
        ({"product_id": "\0"}, ["product_id", "product_id"]),
        ({"name": "x" * 256}, ["name"]),
        ({"name": "\x1b"}, ["name"]),
        ({"description": "x" * 2001}, ["description"]),
        (
            {"type": "x", "charged_amount": 0, "product_id": UNKNOWN, "name": "\0"},
            ["charged_amount", "name", "product_id", "type"],
        ),
    ],
)
def test_every_fault_of_meaning_is_listed(
    subscriptions: Served, active: Subscription, changes: Any, paths: list[str]
) -> None:
    before = subscriptions.rows()
    request = build_event(active, active.last_persisted_cart.cart_items[0], **changes)
    failure = subscriptions.refusal(RPC, request)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert sorted(fault.path for fault in failure.faults) == paths
    assert subscriptions.rows() == before


def test_the_largest_charge_is_kept(subscriptions: Served, active: Subscription) -> None:
    glasses = active.last_persisted_cart.cart_items[0]
    request = build_event(active, glasses, charged_amount=10**12, name="", description="é" * 2000)
    assert subscriptions.call(RPC, request).success


def test_what_was_not_handed_over_has_none(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body, cart_items=CART)
    glasses = made.last_persisted_cart.cart_items[0]
    assert not made.available_actions.use_warranty
    failure = subscriptions.refusal(RPC, build_event(made, glasses))
    assert [fault.path for fault in failure.faults] == ["product_id"]
    activate(subscriptions, made.id, glasses.reference_uuid)
    assert get(subscriptions, made.id).available_actions.use_warranty
    assert subscriptions.call(RPC, build_event(made, glasses)).success


def test_what_was_taken_out_has_none(subscriptions: Served, active: Subscription) -> None:
    first, *rest = active.last_persisted_cart.cart_items
    change_cart(subscriptions, active.id, *(item.id for item in rest))
    failure = subscriptions.refusal(RPC, build_event(active, first))
    assert [fault.path for fault in failure.faults] == ["product_id"]


def test_it_ends_with_the_subscription(subscriptions: Served, active: Subscription) -> None:
    request = build_event(active, active.last_persisted_cart.cart_items[0])
    set_status(subscriptions, active.id)
    failure = subscriptions.refusal(RPC, request)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "NOT_ALLOWED")


def test_not_found_and_another_merchants_come_first(subscriptions: Served, body: Any) -> None:
    others = solicit(subscriptions, body, "other", merchant=OTHER_STORE)
    wrong = CreateWarrantyEventRequest(subscription_id=others.id)
    assert subscriptions.refusal(RPC, wrong).reason == "UNAUTHENTICATED"
    unknown = CreateWarrantyEventRequest(subscription_id=UNKNOWN)
    assert subscriptions.refusal(RPC, unknown).code is StatusCode.NOT_FOUND


def test_a_key_registers_once(subscriptions: Served, active: Subscription, unique: str) -> None:
    product = active.last_persisted_cart.cart_items[0]
    for _ in range(2):
        subscriptions.call(RPC, build_event(active, product), idempotency_key=unique)
    kept = [row for row in subscriptions.rows()["warranty_events"] if row[1] == product.id]
    assert len(kept) == 1


def test_confirmed_again_it_stays(subscriptions: Served, active: Subscription) -> None:
    assert confirm(subscriptions, active.id) == active

"""CancelSubscription picks: early withdrawal or full cancellation, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode

from protos.subscriptions_pb2 import CartItem, Subscription
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.links import load_merchants
from tests.subscriptions_svc.shop import (
    activate,
    build_cancellation,
    build_delivery,
    create_confirmed,
    get,
    list_lenses,
)

RPC = "CancelSubscription"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
CART = [
    build_material(subscription_price=1458),
    build_package(
        build_lens("left", subscription_price=1000), build_lens("right", subscription_price=500)
    ),
]
LAW = {"id": "tienda_de_ley", "store_ref": "centro"}
MADRID_MIDNIGHT = timedelta(hours=1)  # before that of UTC, in winter


@pytest.fixture(autouse=True)
def merchant_by_law(subscriptions: Served) -> None:
    """A merchant that grants the 14 days of consumer law."""
    load_merchants(
        subscriptions, {"id": LAW["id"], "store_refs": ["centro"], "withdrawal_days": 14}
    )


def list_items(made: Subscription) -> list[CartItem]:
    """Glasses, left build_lens and right build_lens."""
    glasses, whole = made.last_persisted_cart.cart_items
    return [glasses, *whole.items]


def deliver(served: Served, made: Subscription, eye: int = 0, boxes: int = 4) -> None:
    uuid = list_lenses(made)[eye].reference_uuid
    served.call("CreateBoxDeliveries", build_delivery(made.id, (uuid, boxes)))


def read_actions(served: Served, made: Subscription) -> tuple[bool, bool]:
    """Return whether it may be ended, and whether that takes a summary."""
    actions = get(served, made.id).available_actions
    return actions.withdraw, actions.cancel


def read_returned(served: Served, made: Subscription) -> list[int]:
    items = list_items(get(served, made.id))
    return [item.cancellation_cost_returned.value for item in items]


def find_faults(served: Served, made: Subscription, **summary: Any) -> list[str]:
    before = served.rows()
    failure = served.refusal(RPC, build_cancellation(made.id, **summary))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert served.rows() == before
    return sorted(fault.path for fault in failure.faults)


def test_boxes_that_were_handed_over_are_not_kept_free_of_charge(
    subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body, cart_items=CART)
        assert read_actions(subscriptions, made) == (True, False)
        deliver(subscriptions, made)
        assert read_actions(subscriptions, made) == (True, True)
        assert find_faults(subscriptions, made) == ["summary"]
        glasses, left, right = (item.reference_uuid for item in list_items(made))
        assert find_faults(subscriptions, made, total_to_pay=0) == ["summary"]
        everything = [glasses, left, right]
        assert find_faults(subscriptions, made, total_to_pay=0, returned_items=everything) == [
            "summary.total_to_pay"
        ]
        found = list_items(get(subscriptions, made.id))
        assert [item.cancellation_cost_kept.value for item in found] == [0, 24_000, 0]
        assert [item.cancellation_cost_returned.value for item in found] == [0, 12_000, 0]
        request = build_cancellation(made.id, total_to_pay=24_000, kept_items=[left])
        assert subscriptions.call(RPC, request).success
        assert read_actions(subscriptions, made) == (False, False)


def test_an_item_that_was_handed_over_ends_the_early_withdrawal(
    subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body, cart_items=CART)
        glasses = list_items(made)[0].reference_uuid
        activate(subscriptions, made.id, glasses)
        assert read_actions(subscriptions, made) == (True, True)
        assert find_faults(subscriptions, made) == ["summary"]
        request = build_cancellation(made.id, total_to_pay=1458 * 24, kept_items=[glasses])
        subscriptions.call(RPC, request)


def test_a_refused_delivery_hands_nothing_over(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body)
        uuid = list_lenses(made)[0].reference_uuid
        failure = subscriptions.refusal("CreateBoxDeliveries", build_delivery(made.id, (uuid, 5)))
        assert failure.reason == "OVER_DELIVERY"
        assert read_actions(subscriptions, made) == (True, False)
        subscriptions.call(RPC, build_cancellation(made.id))


def test_boxes_of_an_earlier_year_still_count(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body, cart_items=CART)
        deliver(subscriptions, made)
        for item in list_items(made)[:1]:
            activate(subscriptions, made.id, item.reference_uuid)
    with subscriptions.clock.at(START + timedelta(days=30)):
        for item in list_items(made)[2:]:
            activate(subscriptions, made.id, item.reference_uuid)
        left = list_items(made)[1].reference_uuid
        activate(subscriptions, made.id, left)
    with subscriptions.clock.at(START + timedelta(days=500)):
        assert read_actions(subscriptions, made) == (True, True)
        assert all(
            item.cancellation_cost_kept.value for item in list_items(get(subscriptions, made.id))
        )


@pytest.mark.parametrize("days", [1, 100])
def test_by_consumer_law_it_is_free_until_the_first_delivery(
    subscriptions: Served, body: Any, days: int
) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body, merchant=LAW, cart_items=CART)
    with subscriptions.clock.at(START + timedelta(days=days)):
        assert read_actions(subscriptions, made) == (True, False)
        assert find_faults(subscriptions, made, total_to_pay=0) == ["summary"]
        subscriptions.call(RPC, build_cancellation(made.id))


@pytest.fixture
def delivered(subscriptions: Served, body: Any) -> Subscription:
    """Glasses handed over and four boxes for the left eye, with 14 days from then."""
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body, merchant=LAW, cart_items=CART)
        activate(subscriptions, made.id, list_items(made)[0].reference_uuid)
        deliver(subscriptions, made)
    return made


def test_the_14_days_end_with_the_last_day_in_the_zone_of_the_merchant(
    subscriptions: Served, delivered: Subscription
) -> None:
    end = datetime(2026, 3, 16, tzinfo=UTC) - MADRID_MIDNIGHT
    with subscriptions.clock.at(end - TICK):
        assert read_returned(subscriptions, delivered) == [0, 12_000, 0]
    with subscriptions.clock.at(end):
        assert read_returned(subscriptions, delivered) == [1458 * 12, 12_000, 0]


def test_in_the_14_days_what_is_returned_unopened_is_free(
    subscriptions: Served, delivered: Subscription
) -> None:
    glasses, left, right = (item.reference_uuid for item in list_items(delivered))
    with subscriptions.clock.at(START + timedelta(days=10)):
        assert read_actions(subscriptions, delivered) == (True, True)
        assert find_faults(subscriptions, delivered) == ["summary"]
        both = {"returned_items": [glasses, left]}
        opened = {**both, "total_to_pay": 0}
        assert find_faults(subscriptions, delivered, **opened) == ["summary.total_to_pay"]
        for wrong in (glasses, right, "unknown"):
            named = {**both, "total_to_pay": 12_000, "unopened_items": [wrong]}
            assert find_faults(subscriptions, delivered, **named) == ["summary.unopened_items.0"]
        kept = {"kept_items": [left], "returned_items": [glasses], "unopened_items": [left]}
        assert find_faults(subscriptions, delivered, total_to_pay=0, **kept) == [
            "summary.unopened_items.0"
        ]
        pair = delivered.last_persisted_cart.cart_items[1].reference_uuid
        request = build_cancellation(delivered.id, total_to_pay=0, **both, unopened_items=[pair])
        subscriptions.call(RPC, request)
    ids = [item.id for item in list_items(delivered)[:2]]
    rows = {row for row in subscriptions.rows()["cancelled_items"] if row[0] in ids}
    assert rows == {(ids[0], False, 0), (ids[1], False, 0)}
    assert get(subscriptions, delivered.id).status == "cancelled"


def test_in_the_14_days_opened_lenses_are_excepted(
    subscriptions: Served, delivered: Subscription
) -> None:
    glasses, left, _ = (item.reference_uuid for item in list_items(delivered))
    with subscriptions.clock.at(START + timedelta(days=10)):
        named = {"returned_items": [glasses, left]}
        subscriptions.call(RPC, build_cancellation(delivered.id, total_to_pay=12_000, **named))


def test_after_the_14_days_nothing_is_free(subscriptions: Served, delivered: Subscription) -> None:
    glasses, left, _ = (item.reference_uuid for item in list_items(delivered))
    both = {"returned_items": [glasses, left]}
    total = {"total_to_pay": 1458 * 12 + 12_000}
    with subscriptions.clock.at(START + timedelta(days=15)):
        named = {**both, **total, "unopened_items": [left]}
        assert find_faults(subscriptions, delivered, **named) == ["summary.unopened_items.0"]
        subscriptions.call(RPC, build_cancellation(delivered.id, **both, **total))

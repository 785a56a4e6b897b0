"""Exchanges: when they are due, and that they yield no additional boxes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import RpcError
from sqlalchemy import delete, update

from protos.subscriptions_pb2 import Subscription
from subscriptions_svc import reference
from subscriptions_svc.store.box_deliveries import find_wrong_counters
from subscriptions_svc.store.tables import box_counters, box_deliveries
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    build_cart_update,
    build_delivery,
    change_cart,
    confirm,
    create_activated,
    get,
    list_boxes,
    list_lenses,
    pay,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST_ANNIVERSARY = datetime(2027, 2, 28, 23, tzinfo=UTC)  # midnight of 1 March in Madrid


@pytest.fixture(autouse=True)
def at_the_start(subscriptions: Served) -> Iterator[None]:
    """The clock stands at the start."""
    with subscriptions.clock.at(START):
        yield


def create_active(served: Served, body: Any, *cart: Any) -> Subscription:
    """A paid, active subscription of a cart."""
    return pay(served, create_activated(served, body, START, cart_items=list(cart)).id)


def is_refused(served: Served, id_: str, *cart: Any) -> bool:
    """Whether a new cart is refused for what it takes out."""
    failure = served.refusal("UpdateProducts", build_cart_update(id_, *cart))
    return failure.reason == "NOT_ALLOWED"


def build_eyes(**changes: Any) -> Any:
    return build_package(build_lens("left", **changes), build_lens("right", **changes))


def deliver(served: Served, made: Subscription, *quantities: int) -> Subscription:
    """Hand over boxes of each lens, in the order of the cart."""
    entries = [
        (item.reference_uuid, quantity)
        for item, quantity in zip(list_lenses(made), quantities, strict=True)
        if quantity
    ]
    served.call("CreateBoxDeliveries", build_delivery(made.id, *entries))
    return get(served, made.id)


def count_remaining(served: Served, made: Subscription, eye: int) -> int:
    """How many more boxes of an eye can be handed over, tried one by one."""
    uuid, given = list_lenses(made)[eye].reference_uuid, 0
    while True:
        request = build_delivery(made.id, (uuid, 1))
        try:
            served.call("CreateBoxDeliveries", request)
        except RpcError:
            assert served.refusal("CreateBoxDeliveries", request).reason == "OVER_DELIVERY"
            return given
        given += 1


def check_counters(served: Served) -> None:
    """Check that the counters match the ledger."""
    with served.database.read() as tx:
        assert find_wrong_counters(tx) == []


def test_one_exchange_of_glasses_belongs_to_each_year(subscriptions: Served, body: Any) -> None:
    made = create_active(subscriptions, body, build_material())
    assert made.available_actions.change_item
    found = change_cart(subscriptions, made.id, build_material(reference="A"))
    assert not found.available_actions.change_item
    assert is_refused(subscriptions, made.id, build_material(reference="B"))
    with subscriptions.clock.at(FIRST_ANNIVERSARY - timedelta(microseconds=1)):
        assert is_refused(subscriptions, made.id, build_material(reference="B"))
    with subscriptions.clock.at(FIRST_ANNIVERSARY):
        assert get(subscriptions, made.id).available_actions.change_item
        change_cart(subscriptions, made.id, build_material(reference="B"))
        assert is_refused(subscriptions, made.id, build_material(reference="C"))


def test_unused_exchanges_stay_and_none_is_had_twice(subscriptions: Served, body: Any) -> None:
    made = create_active(subscriptions, body, build_eyes(exchange_cycle=6))
    with subscriptions.clock.at(datetime(2027, 9, 1, 12, tzinfo=UTC)):  # 18 months: four
        for turn in range(4):
            change_cart(subscriptions, made.id, build_eyes(exchange_cycle=6, reference=str(turn)))
        assert is_refused(subscriptions, made.id, build_eyes(exchange_cycle=6))
    with subscriptions.clock.at(datetime(2028, 2, 28, 12, tzinfo=UTC)):
        assert is_refused(subscriptions, made.id, build_eyes(exchange_cycle=6))


def test_the_window_of_a_lens_opens_with_its_cycle(subscriptions: Served, body: Any) -> None:
    made = create_active(subscriptions, body, build_eyes(exchange_cycle=6))
    change_cart(subscriptions, made.id, build_eyes(exchange_cycle=6))
    with subscriptions.clock.at(datetime(2026, 8, 31, 21, 59, tzinfo=UTC)):
        assert is_refused(subscriptions, made.id, build_eyes(exchange_cycle=6))
    with subscriptions.clock.at(datetime(2026, 8, 31, 22, tzinfo=UTC)):  # midnight in Madrid
        change_cart(subscriptions, made.id, build_eyes(exchange_cycle=0))
        assert is_refused(subscriptions, made.id, build_eyes())
        assert not get(subscriptions, made.id).available_actions.change_item


def test_a_cycle_of_zero_closes_the_window_of_this_lens_alone(
    subscriptions: Served, body: Any
) -> None:
    whole = build_package(
        build_lens("left", exchange_cycle=0), build_lens("right"), build_material()
    )
    made = create_active(subscriptions, body, whole)
    left, right, glasses = made.last_persisted_cart.cart_items[0].items
    assert is_refused(subscriptions, made.id, build_eyes())
    keep_left = build_package(
        {"id": left.id}, build_lens("right", reference="NEW"), price_with_tax=200
    )
    found = change_cart(subscriptions, made.id, keep_left)
    assert [item.reference for item in list_lenses(found)] == ["CL-left", "NEW"]
    assert glasses.id != right.id


def test_a_merchant_may_forbid_exchanges_in_the_first_year(
    subscriptions: Served, body: Any
) -> None:
    def allow(yes: bool) -> None:
        merchant = {
            "id": "tienda_moderna",
            "store_refs": ["tienda_moderna"],
            "first_year_exchanges": yes,
        }
        with subscriptions.database.write() as tx:
            reference.load(tx, reference.REFERENCE.load({"merchants": [merchant]}))

    made = create_active(subscriptions, body, build_eyes(exchange_cycle=1), build_material())
    allow(False)
    try:
        assert is_refused(subscriptions, made.id, build_material())
        assert is_refused(subscriptions, made.id, build_eyes())
        assert not get(subscriptions, made.id).available_actions.change_item
        with subscriptions.clock.at(FIRST_ANNIVERSARY):
            change_cart(subscriptions, made.id, build_eyes(), build_material(reference="NEW"))
            assert is_refused(subscriptions, made.id, build_eyes(), build_material())
    finally:
        allow(True)


def test_a_proposal_uses_no_exchange_until_it_is_confirmed(
    subscriptions: Served, body: Any
) -> None:
    made = create_active(subscriptions, body, build_material())
    for turn in range(3):
        subscriptions.call(
            "UpdateProducts", build_cart_update(made.id, build_material(reference=str(turn)))
        )
    found = confirm(subscriptions, made.id)
    assert found.last_persisted_cart.cart_items[0].reference == "2"


def test_delivered_boxes_count_against_the_new_lens(subscriptions: Served, body: Any) -> None:
    made = deliver(
        subscriptions, create_active(subscriptions, body, build_eyes(exchange_cycle=1)), 3, 1
    )
    found = change_cart(subscriptions, made.id, build_eyes())
    assert list_boxes(found) == [(3, 1), (1, 3)]
    assert found.last_delivery_date == made.last_delivery_date
    assert [count_remaining(subscriptions, found, eye) for eye in (0, 1)] == [1, 3]
    check_counters(subscriptions)


def test_boxes_count_from_exchange_to_exchange(subscriptions: Served, body: Any) -> None:
    made = create_active(subscriptions, body, build_eyes(exchange_cycle=1))
    with subscriptions.clock.at(datetime(2026, 9, 1, 12, tzinfo=UTC)):
        for delivered in range(1, 5):
            made = deliver(subscriptions, made, 1, 0)
            made = change_cart(subscriptions, made.id, build_eyes(exchange_cycle=1))
            assert list_boxes(made) == [(delivered, 4 - delivered), (0, 4)]
        assert [count_remaining(subscriptions, made, eye) for eye in (0, 1)] == [0, 4]
        made = change_cart(subscriptions, made.id, build_eyes(exchange_cycle=1))
        assert list_boxes(made) == [(4, 0), (4, 0)]
    check_counters(subscriptions)


def test_a_smaller_cap_leaves_nothing_and_a_larger_one_the_difference(
    subscriptions: Served, body: Any
) -> None:
    made = deliver(
        subscriptions, create_active(subscriptions, body, build_eyes(exchange_cycle=1)), 3, 0
    )
    with subscriptions.clock.at(datetime(2026, 6, 1, 12, tzinfo=UTC)):
        made = change_cart(subscriptions, made.id, build_eyes(exchange_cycle=1, box_count=2))
        assert list_boxes(made) == [(3, 0), (0, 2)]
        assert count_remaining(subscriptions, made, 0) == 0
        made = change_cart(subscriptions, made.id, build_eyes(exchange_cycle=1, box_count=6))
        assert list_boxes(made) == [(3, 3), (0, 6)]
        assert count_remaining(subscriptions, made, 0) == 3
    check_counters(subscriptions)


def test_a_lens_taken_out_and_brought_in_again_later_is_the_same_eye(
    subscriptions: Served, body: Any
) -> None:
    made = deliver(
        subscriptions, create_active(subscriptions, body, build_eyes(), build_material()), 4, 4
    )
    glasses = made.last_persisted_cart.cart_items[1]
    made = change_cart(subscriptions, made.id, glasses.id)
    assert list_lenses(made) == []
    assert made.HasField("last_delivery_date")
    made = change_cart(subscriptions, made.id, glasses.id, build_eyes())
    assert list_boxes(made) == [(4, 0), (4, 0)]
    assert [count_remaining(subscriptions, made, eye) for eye in (0, 1)] == [0, 0]


def test_a_second_package_has_boxes_of_its_own_until_the_first_goes(
    subscriptions: Served, body: Any
) -> None:
    made = deliver(subscriptions, create_active(subscriptions, body, build_eyes()), 4, 4)
    first = made.last_persisted_cart.cart_items[0]
    made = change_cart(subscriptions, made.id, first.id, build_eyes())
    assert list_boxes(made) == [(4, 0), (4, 0), (0, 4), (0, 4)]
    second = made.last_persisted_cart.cart_items[1]
    made = change_cart(subscriptions, made.id, second.id)
    assert list_boxes(made) == [(4, 0), (4, 0)]
    check_counters(subscriptions)


def test_boxes_of_lenses_taken_out_count_against_new_lenses_first(
    subscriptions: Served, body: Any
) -> None:
    made = deliver(
        subscriptions, create_active(subscriptions, body, build_eyes(), build_eyes()), 2, 3, 0, 0
    )
    kept = made.last_persisted_cart.cart_items[1]
    made = change_cart(subscriptions, made.id, kept.id, build_eyes())
    assert list_boxes(made) == [(0, 4), (0, 4), (2, 2), (3, 1)]
    assert [count_remaining(subscriptions, made, eye) for eye in range(4)] == [4, 4, 2, 1]
    check_counters(subscriptions)


def test_boxes_for_both_eyes_count_for_each_and_back(subscriptions: Served, body: Any) -> None:
    both = build_package(build_lens("both", exchange_cycle=1))
    made = deliver(subscriptions, create_active(subscriptions, body, both), 3)
    with subscriptions.clock.at(datetime(2026, 6, 1, 12, tzinfo=UTC)):
        made = change_cart(subscriptions, made.id, build_eyes(exchange_cycle=1))
        assert list_boxes(made) == [(3, 1), (3, 1)]
        made = deliver(subscriptions, made, 1, 0)
        made = change_cart(subscriptions, made.id, build_package(build_lens("both", box_count=8)))
        assert list_boxes(made) == [(4, 4)]
    check_counters(subscriptions)


def test_a_new_year_begins_without_what_was_carried(subscriptions: Served, body: Any) -> None:
    made = deliver(subscriptions, create_active(subscriptions, body, build_eyes()), 4, 4)
    made = change_cart(subscriptions, made.id, build_eyes())
    assert list_boxes(made) == [(4, 0), (4, 0)]
    with subscriptions.clock.at(FIRST_ANNIVERSARY):
        made = get(subscriptions, made.id)
        assert list_boxes(made) == [(0, 4), (0, 4)]
        assert [count_remaining(subscriptions, made, eye) for eye in (0, 1)] == [4, 4]
    check_counters(subscriptions)


def test_a_counter_that_differs_from_the_ledger_is_found(subscriptions: Served, body: Any) -> None:
    made = deliver(subscriptions, create_active(subscriptions, body, build_eyes()), 2, 1)
    left, right = (item.id for item in list_lenses(made))
    with subscriptions.database.write() as tx:
        tx.execute(update(box_counters).where(box_counters.c.item_id == left).values(delivered=3))
        tx.execute(delete(box_counters).where(box_counters.c.item_id == right))
    with subscriptions.database.read() as tx:
        assert sorted(find_wrong_counters(tx)) == sorted([(left, 1, 3, 2), (right, 1, 0, 1)])
    with subscriptions.database.write() as tx:
        tx.execute(delete(box_deliveries).where(box_deliveries.c.subscription_id == made.id))
        tx.execute(delete(box_counters).where(box_counters.c.item_id == left))

"""ActivateCartItem, called directly over gRPC on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    activate,
    build_activation,
    build_delivery,
    confirm,
    create_activated,
    create_confirmed,
    get,
    list_boxes,
    list_lenses,
    set_status,
    solicit,
)

RPC = "ActivateCartItem"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read_states(served: Served, subscription_id: str) -> tuple[str, list[Any]]:
    """The status of a subscription, of its items, and of what is inside them."""
    found = get(served, subscription_id)
    cart = found.last_persisted_cart.cart_items
    return found.status, [(item.status, [each.status for each in item.items]) for item in cart]


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    whole = made.last_persisted_cart.cart_items[0]
    with subscriptions.clock.at(utc("2026-03-01T12:00:00.651")):
        answer = activate(subscriptions, made.id, whole.reference_uuid)
        found = get(subscriptions, made.id)
    assert (answer.status, answer.activated_at.ToJsonString()) == (
        "active",
        "2026-03-01T12:00:00.651Z",
    )
    assert [item.status for item in answer.items] == ["active", "active"]
    assert found.last_persisted_cart.cart_items[0] == answer
    assert (found.status, found.current_month) == ("active", 1)
    assert found.activated_at == answer.activated_at
    assert found.renewal_at.ToJsonString() == "2028-02-29T23:00:00Z"


def test_the_last_item_activates_the_subscription(subscriptions: Served, body: Any) -> None:
    cart = [
        build_material(reference="A"),
        build_package(build_lens("left"), build_material(reference="B")),
        build_material(reference="C"),
    ]
    made = create_confirmed(subscriptions, body, cart_items=cart)
    first, whole, last = made.last_persisted_cart.cart_items
    seen = []
    for item in (first, whole.items[0], last, whole.items[1]):
        activate(subscriptions, made.id, item.reference_uuid)
        seen.append(read_states(subscriptions, made.id))
    waiting: Any = ("pending", [])
    active: Any = ("active", [])
    assert seen == [
        ("activating", [active, ("pending", ["pending", "pending"]), waiting]),
        ("activating", [active, ("pending", ["active", "pending"]), waiting]),
        ("activating", [active, ("pending", ["active", "pending"]), active]),
        ("active", [active, ("active", ["active", "active"]), active]),
    ]


def test_a_repeated_call_changes_nothing(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, utc("2026-03-01T12:00"))
    before = subscriptions.rows()
    with subscriptions.clock.at(utc("2026-03-05T12:00")):
        item = get(subscriptions, made.id).last_persisted_cart.cart_items[0]
        assert activate(subscriptions, made.id, item.reference_uuid) == item
        inner = item.items[1]
        assert activate(subscriptions, made.id, inner.reference_uuid) == inner
    assert subscriptions.rows() == before


def test_a_package_keeps_the_moments_of_what_was_handed_over_before(
    subscriptions: Served, body: Any
) -> None:
    made = create_confirmed(subscriptions, body)
    whole = made.last_persisted_cart.cart_items[0]
    with subscriptions.clock.at(utc("2026-03-01T12:00")):
        activate(subscriptions, made.id, whole.items[0].reference_uuid)
    with subscriptions.clock.at(utc("2026-03-02T12:00")):
        answer = activate(subscriptions, made.id, whole.reference_uuid)
    assert [item.activated_at.ToJsonString() for item in (answer, *answer.items)] == [
        "2026-03-02T12:00:00Z",
        "2026-03-01T12:00:00Z",
        "2026-03-02T12:00:00Z",
    ]


def test_the_answer_has_the_boxes_of_a_lens(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    left = list_lenses(made)[0]
    subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (left.reference_uuid, 3)))
    answer = activate(subscriptions, made.id, left.reference_uuid)
    assert (answer.delivered_boxes, answer.remaining_boxes) == (3, 1)
    assert list_boxes(get(subscriptions, made.id)) == [(3, 1), (0, 4)]


def test_the_last_two_items_at_once_activate_once(subscriptions: Served, body: Any) -> None:
    for _ in range(5):
        cart = [
            build_package(build_lens("left"), build_lens("right")),
            *(build_material(reference=str(i)) for i in range(6)),
        ]
        made = create_confirmed(subscriptions, body, cart_items=cart)
        items = made.last_persisted_cart.cart_items
        uuids = [item.reference_uuid for item in (*items[0].items, *items[1:])]
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda each, of=made: activate(subscriptions, of.id, each), uuids)
            )
        found = get(subscriptions, made.id)
        assert found.status == "active"
        moments = sorted(answer.activated_at.ToJsonString() for answer in answers)
        assert found.activated_at.ToJsonString() in moments
        assert {item.status for item in found.last_persisted_cart.cart_items} == {"active"}


def test_items_wait_for_the_confirmation_and_stop_at_the_end(
    subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    request = build_activation(made.id, made.last_persisted_cart.cart_items[0].reference_uuid)
    failure = subscriptions.refusal(RPC, request)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    confirm(subscriptions, made.id)
    for status in ("cancelled", "finished"):
        set_status(subscriptions, made.id, status)
        before = subscriptions.rows()
        assert subscriptions.refusal(RPC, request).message == "The subscription has ended."
        assert subscriptions.rows() == before


@pytest.mark.parametrize("wrong", [UNKNOWN, "", "7", "\0", "x" * 5000])
def test_what_is_not_there_is_not_found(subscriptions: Served, body: Any, wrong: str) -> None:
    made = solicit(subscriptions, body)
    other = made.last_persisted_cart.cart_items[0]
    for request in (
        build_activation(wrong, other.reference_uuid),
        build_activation(made.id, wrong),
    ):
        assert subscriptions.refusal(RPC, request).code is StatusCode.NOT_FOUND


def test_an_item_of_another_subscription_or_version_is_not_found(
    subscriptions: Served, body: Any
) -> None:
    made, other = create_confirmed(subscriptions, body), create_confirmed(subscriptions, body)
    item = other.last_persisted_cart.cart_items[0]
    for uuid in (item.reference_uuid, made.last_persisted_cart.cart_items[0].id):
        failure = subscriptions.refusal(RPC, build_activation(made.id, uuid))
        assert failure.code is StatusCode.NOT_FOUND


def test_another_merchants_item_is_unauthenticated(subscriptions: Served, body: Any) -> None:
    others = create_confirmed(subscriptions, body, "other", merchant=OTHER_STORE)
    request = build_activation(others.id, others.last_persisted_cart.cart_items[0].reference_uuid)
    before = subscriptions.rows()
    assert subscriptions.refusal(RPC, request).reason == "UNAUTHENTICATED"
    assert subscriptions.refusal(RPC, build_activation(others.id, "x")).reason == "UNAUTHENTICATED"
    assert subscriptions.refusal(RPC, request, "staff").reason == "FORBIDDEN"
    assert subscriptions.rows() == before

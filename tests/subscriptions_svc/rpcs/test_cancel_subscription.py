"""CancelSubscription in its three scenarios, called directly over gRPC on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import RpcError, StatusCode

from protos.subscriptions_pb2 import CancelSubscriptionRequest, CartItem, Subscription
from tests.serving import Served, decode
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    activate,
    build_cancellation,
    build_cart_update,
    build_delivery,
    confirm,
    create_activated,
    create_confirmed,
    get,
    list_lenses,
    set_status,
    solicit,
)

RPC = "CancelSubscription"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = START + timedelta(days=100)  # in the fourth month: 20 have not begun, 8 of this year
CART = [
    build_material(subscription_price=1458),
    build_package(
        build_lens("left", subscription_price=1000),
        build_lens("right", subscription_price=500),
        quantity=2,
    ),
]


@pytest.fixture
def active(subscriptions: Served, body: Any) -> Any:
    """An active subscription in its fourth month, where the clock stands."""
    made = create_activated(subscriptions, body, START, cart_items=CART)
    with subscriptions.clock.at(LATER):
        yield get(subscriptions, made.id)


def read_cart(subscription: Subscription) -> list[CartItem]:
    return list(subscription.last_persisted_cart.cart_items)


def read_costs(item: CartItem) -> tuple[int, int]:
    return item.cancellation_cost_kept.value, item.cancellation_cost_returned.value


def find_faults(served: Served, request: CancelSubscriptionRequest) -> list[str]:
    before = served.rows()
    failure = served.refusal(RPC, request)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert served.rows() == before
    return sorted(fault.path for fault in failure.faults)


def test_it_works(subscriptions: Served, active: Subscription) -> None:
    glasses, lenses_ = read_cart(active)
    assert read_costs(glasses) == (1458 * 20, 1458 * 8)
    assert [read_costs(item) for item in lenses_.items] == [(40_000, 16_000), (20_000, 8_000)]
    assert read_costs(lenses_) == (60_000, 24_000)
    summary = {
        "purchase_fee": 500,
        "total_to_pay": 500 + 1458 * 20 + 24_000,
        "kept_items": [glasses.reference_uuid],
        "returned_items": [lenses_.reference_uuid],
    }
    answer = subscriptions.call(RPC, build_cancellation(active.id, **summary))
    assert answer.success is True
    assert answer.message == "Suscripción cancelada exitosamente"
    found = get(subscriptions, active.id)
    assert (found.status, found.activated_at) == ("cancelled", active.activated_at)
    assert not any(value for _, value in found.available_actions.ListFields())
    rows = subscriptions.rows()
    assert [row[1:4] for row in rows["cancellations"] if row[0] == active.id] == [
        ("Customer request", 500, 500 + 1458 * 20 + 24_000)
    ]
    ids = [glasses.id, *(item.id for item in lenses_.items)]
    assert {row for row in rows["cancelled_items"] if row[0] in ids} == {
        (ids[0], True, 1458 * 20),
        (ids[1], False, 16_000),
        (ids[2], False, 8_000),
    }


@pytest.mark.parametrize("status", ["draft", "sent", "in_progress", "waiting_for_payment"])
def test_before_the_confirmation_it_is_free(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    assert get(subscriptions, made.id).available_actions.withdraw
    assert find_faults(subscriptions, build_cancellation(made.id, total_to_pay=0)) == ["summary"]
    assert subscriptions.call(RPC, build_cancellation(made.id)).success
    assert get(subscriptions, made.id).status == "cancelled"


def test_for_24_hours_after_the_confirmation_it_is_free(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):
        made, other = (
            create_confirmed(subscriptions, body),
            create_activated(subscriptions, body, START),
        )
    with subscriptions.clock.at(START + timedelta(hours=24) - timedelta(microseconds=1)):
        assert find_faults(subscriptions, build_cancellation(other.id, total_to_pay=0)) == [
            "summary"
        ]
        subscriptions.call(RPC, build_cancellation(other.id))
    with subscriptions.clock.at(START + timedelta(hours=24)):
        assert get(subscriptions, made.id).available_actions.cancel
        assert find_faults(subscriptions, build_cancellation(made.id)) == ["summary"]
        subscriptions.call(RPC, build_cancellation(made.id, purchase_fee=7, total_to_pay=7))
    assert [get(subscriptions, each.id).status for each in (made, other)] == ["cancelled"] * 2


def test_what_was_not_handed_over_costs_nothing_and_is_not_kept(
    subscriptions: Served, body: Any
) -> None:
    with subscriptions.clock.at(START):
        made = create_confirmed(subscriptions, body, cart_items=CART)
        glasses, whole = read_cart(made)
        left, right = whole.items
        activate(subscriptions, made.id, left.reference_uuid)
    with subscriptions.clock.at(LATER):
        found = read_cart(get(subscriptions, made.id))
        assert [read_costs(item) for item in (found[0], *found[1].items)] == [
            (0, 0),
            (48_000, 24_000),  # nothing has begun yet
            (0, 0),
        ]
        named = {"total_to_pay": 24_000, "returned_items": [left.reference_uuid]}
        for kept in (glasses, right, whole):
            request = build_cancellation(made.id, **named, kept_items=[kept.reference_uuid])
            assert "summary.kept_items.0" in find_faults(subscriptions, request)
        everything = [glasses.reference_uuid, whole.reference_uuid]
        request = build_cancellation(made.id, total_to_pay=24_000, returned_items=everything)
        subscriptions.call(RPC, request)


def test_every_item_that_was_handed_over_is_named_once(
    subscriptions: Served, active: Subscription
) -> None:
    glasses, whole = (item.reference_uuid for item in read_cart(active))
    left = read_cart(active)[1].items[0].reference_uuid
    wrong: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["summary", "summary", "summary"]),
        ({"kept_items": [glasses]}, ["summary", "summary"]),
        ({"kept_items": [glasses, glasses], "returned_items": [whole]}, ["summary.kept_items.1"]),
        ({"kept_items": [glasses], "returned_items": [whole, left]}, ["summary.returned_items.1"]),
        ({"kept_items": [whole, glasses], "returned_items": [left]}, ["summary.returned_items.0"]),
        ({"kept_items": [UNKNOWN, whole, glasses]}, ["summary.kept_items.0"]),
        ({"kept_items": [read_cart(active)[0].id, whole, glasses]}, ["summary.kept_items.0"]),
    ]
    for named, paths in wrong:
        assert (
            find_faults(subscriptions, build_cancellation(active.id, total_to_pay=0, **named))
            == paths
        )


def test_the_sums_have_to_be_right_to_the_cent(subscriptions: Served, active: Subscription) -> None:
    everything = [item.reference_uuid for item in read_cart(active)]
    total = sum(read_costs(item)[1] for item in read_cart(active))
    for fee, paid in ((0, total - 1), (0, total + 1), (1, total), (5, 0), (0, -1), (0, 2**63 - 1)):
        request = build_cancellation(
            active.id, purchase_fee=fee, total_to_pay=paid, returned_items=everything
        )
        assert find_faults(subscriptions, request) == ["summary.total_to_pay"]
    for fee in (-1, 10**12 + 1, -(2**63)):
        request = build_cancellation(
            active.id, purchase_fee=fee, total_to_pay=total + 1, returned_items=everything
        )
        assert find_faults(subscriptions, request) == ["summary.purchase_fee"]
    largest = {"purchase_fee": 10**12, "total_to_pay": 10**12 + total}
    subscriptions.call(RPC, build_cancellation(active.id, **largest, returned_items=everything))


def test_in_the_last_month_nothing_is_left_to_pay(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, START, cart_items=CART)
    with subscriptions.clock.at(made.renewal_at.ToDatetime(UTC) - timedelta(microseconds=1)):
        found = get(subscriptions, made.id)
        assert (found.status, found.current_month) == ("active", 24)
        assert [read_costs(item) for item in read_cart(found)] == [(0, 0), (0, 0)]
        kept = [item.reference_uuid for item in read_cart(found)]
        subscriptions.call(RPC, build_cancellation(made.id, total_to_pay=0, kept_items=kept))


@pytest.mark.parametrize("status", ["cancelled", "finished"])
def test_what_has_ended_does_not_end_again(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    failure = subscriptions.refusal(RPC, build_cancellation(made.id))
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "CONFLICT")


def test_an_expired_subscription_counts_as_ended_before_its_move(
    subscriptions: Served, active: Subscription
) -> None:
    with subscriptions.clock.at(active.renewal_at.ToDatetime(UTC)):
        assert subscriptions.refusal(RPC, build_cancellation(active.id)).reason == "CONFLICT"


def test_after_the_end_nothing_is_done_any_more(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    uuid = list_lenses(made)[0].reference_uuid
    subscriptions.call(RPC, build_cancellation(made.id))
    for rpc, request in (
        ("CreateBoxDeliveries", build_delivery(made.id, (uuid, 1))),
        ("UpdateProducts", build_cart_update(made.id, build_material())),
    ):
        assert subscriptions.refusal(rpc, request).code is StatusCode.FAILED_PRECONDITION


def test_a_pending_cart_ends_with_its_subscription(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):
        made = create_activated(subscriptions, body, START)
        kept = read_cart(made)[0].id
        subscriptions.call("UpdateProducts", build_cart_update(made.id, kept, build_material()))
        subscriptions.call(RPC, build_cancellation(made.id))
        assert not get(subscriptions, made.id).HasField("pending_cart")


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 256}, "reason"),
        ({"reason": " "}, "reason"),
        ({"reason": "a\0"}, "reason"),
        ({"summary": {"purchase_fee": 0}}, "summary.total_to_pay"),
        ({"summary": {"total_to_pay": 0}}, "summary.purchase_fee"),
        (
            {"summary": {"purchase_fee": 0, "total_to_pay": 0, "kept_items": [" "]}},
            "summary.kept_items.0",
        ),
    ],
)
def test_a_wrong_shape_is_malformed(
    subscriptions: Served, body: Any, values: Any, path: str
) -> None:
    made = solicit(subscriptions, body)
    request = CancelSubscriptionRequest(
        **{"subscription_id": made.id, "reason": "Customer request", **values}
    )
    failure = subscriptions.refusal(RPC, request)
    assert (failure.reason, [fault.path for fault in failure.faults]) == ("MALFORMED", [path])


def test_not_found_and_another_merchants_come_before_the_shape(
    subscriptions: Served, body: Any
) -> None:
    others = solicit(subscriptions, body, "other", merchant=OTHER_STORE)
    wrong = CancelSubscriptionRequest(subscription_id=others.id)
    assert subscriptions.refusal(RPC, wrong).reason == "UNAUTHENTICATED"
    unknown = CancelSubscriptionRequest(subscription_id=UNKNOWN)
    assert subscriptions.refusal(RPC, unknown).code is StatusCode.NOT_FOUND
    assert get(subscriptions, others.id, "other").status == "draft"


def test_a_key_ends_once(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit(subscriptions, body)
    answers = [
        subscriptions.call(RPC, build_cancellation(made.id), idempotency_key=unique)
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_a_reference_is_free_again_after_the_end(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    subscriptions.call(RPC, build_cancellation(made.id))
    assert solicit(subscriptions, body, reference=made.reference).id != made.id


def test_of_two_ends_at_once_and_a_confirmation_one_wins(subscriptions: Served, body: Any) -> None:
    for _ in range(5):
        made = solicit(subscriptions, body)

        def work(turn: int, of: Subscription = made) -> str:
            try:
                if turn % 3 == 0:
                    confirm(subscriptions, of.id)
                else:
                    subscriptions.call(RPC, build_cancellation(of.id))
            except RpcError as error:
                return decode(error).reason
            return "confirmed" if turn % 3 == 0 else "cancelled"

        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(work, range(6)))
        assert told.count("cancelled") == 1
        assert set(told) <= {"cancelled", "confirmed", "CONFLICT", "WRONG_STATE"}
        assert get(subscriptions, made.id).status == "cancelled"

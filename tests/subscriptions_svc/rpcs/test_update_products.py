"""UpdateProducts and the confirmation of the cart that it proposes, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import RpcError, StatusCode

from protos.subscriptions_pb2 import CartItem, ConfirmSubscriptionRequest, Subscription
from tests.serving import Served, decode
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    activate,
    build_cart_update,
    change_cart,
    confirm,
    create_activated,
    create_confirmed,
    get,
    pay,
    set_status,
    solicit,
)

RPC = "UpdateProducts"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIXED = [build_material(), build_package(build_lens("left"), build_lens("right"))]


@pytest.fixture
def active(subscriptions: Served, body: Any) -> Any:
    """A paid, active subscription of glasses and two lenses; the clock stands at its start."""
    with subscriptions.clock.at(START):
        made = create_activated(subscriptions, body, START, cart_items=MIXED)
        yield pay(subscriptions, made.id)


def read_cart(subscription: Subscription) -> list[CartItem]:
    return list(subscription.last_persisted_cart.cart_items)


def list_names(subscription: Subscription) -> list[Any]:
    return [
        [each.reference for each in item.items] if item.items else item.reference
        for item in read_cart(subscription)
    ]


def list_paths(failure: Any) -> list[str]:
    return [fault.path for fault in failure.faults]


def test_it_works(subscriptions: Served, active: Subscription) -> None:
    glasses, lenses = read_cart(active)
    request = build_cart_update(active.id, lenses.id, build_material(reference="SUN-2"))
    answer = subscriptions.call(RPC, request)
    assert answer.success is True
    assert answer.message == "Productos de suscripción actualizados exitosamente"
    pending = get(subscriptions, active.id)
    assert pending.last_persisted_cart == active.last_persisted_cart
    assert pending.pending_cart.id not in ("", active.last_persisted_cart.id)
    assert pending.pending_cart.code not in ("", active.last_persisted_cart.code)
    found = confirm(subscriptions, active.id)
    assert found.last_persisted_cart == pending.pending_cart
    assert not found.HasField("pending_cart")
    assert list_names(found) == [["CL-left", "CL-right"], "SUN-2"]
    kept, new = read_cart(found)
    assert kept == lenses
    assert (new.status, new.HasField("activated_at")) == ("pending", False)
    assert glasses.reference_uuid not in (new.reference_uuid, kept.reference_uuid)
    assert (found.status, found.activated_at, found.renewal_at) == (
        "active",
        active.activated_at,
        active.renewal_at,
    )
    assert found == get(subscriptions, active.id)


def test_a_new_item_is_handed_over_like_any_other(
    subscriptions: Served, active: Subscription
) -> None:
    new = read_cart(
        change_cart(
            subscriptions, active.id, *(item.id for item in read_cart(active)), build_material()
        )
    )[2]
    assert activate(subscriptions, active.id, new.reference_uuid).status == "active"
    assert get(subscriptions, active.id).activated_at == active.activated_at


def test_one_lens_of_a_package_is_exchanged_and_the_other_stays(
    subscriptions: Served, active: Subscription
) -> None:
    glasses, lenses = read_cart(active)
    left, right = lenses.items
    whole = build_package(build_lens("left", reference="NEW"), {"id": right.id}, price_with_tax=200)
    found = change_cart(subscriptions, active.id, glasses.id, whole)
    assert list_names(found) == ["SUN-1", ["NEW", "CL-right"]]
    new_left, kept = read_cart(found)[1].items
    assert kept == right
    assert new_left.reference_uuid != left.reference_uuid
    assert read_cart(found)[1].status == "pending"
    activate(subscriptions, active.id, new_left.reference_uuid)
    assert read_cart(get(subscriptions, active.id))[1].status == "active"


def test_a_package_of_what_was_handed_over_is_active_at_once(
    subscriptions: Served, active: Subscription
) -> None:
    glasses, lenses = read_cart(active)
    whole = build_package({"id": glasses.id}, *({"id": item.id} for item in lenses.items))
    found = change_cart(
        subscriptions, active.id, {**whole, "price_with_tax": 35200}, build_material()
    )
    assert list_names(found) == [["SUN-1", "CL-left", "CL-right"], "SUN-1"]
    assert [item.status for item in read_cart(found)] == ["active", "pending"]


def test_a_later_proposal_takes_the_place_of_an_earlier_one(
    subscriptions: Served, active: Subscription
) -> None:
    kept = [item.id for item in read_cart(active)]
    for reference in ("FIRST", "SECOND"):
        subscriptions.call(
            RPC, build_cart_update(active.id, *kept, build_material(reference=reference))
        )
    assert list_names(confirm(subscriptions, active.id))[2] == "SECOND"
    assert confirm(subscriptions, active.id) == get(subscriptions, active.id)


def test_a_cart_may_change_many_times(subscriptions: Served, active: Subscription) -> None:
    found = active
    for turn in range(5):
        ids = [item.id for item in read_cart(found)]
        found = change_cart(
            subscriptions, active.id, build_material(reference=str(turn)), *ids[::-1]
        )
    assert list_names(found) == ["4", "2", "0", ["CL-left", "CL-right"], "SUN-1", "1", "3"]
    assert [item.id for item in read_cart(found)] == [
        item.id for item in read_cart(get(subscriptions, active.id))
    ]


def test_all_unknown_ids_are_listed_at_once(subscriptions: Served, active: Subscription) -> None:
    glasses, lenses = read_cart(active)
    inner = lenses.items[0]
    before = subscriptions.rows()
    whole = build_package({"id": lenses.id}, {"id": inner.id}, {"id": UNKNOWN}, price_with_tax=0)
    request = build_cart_update(active.id, glasses.id, glasses.id, UNKNOWN, lenses.id, whole)
    failure = subscriptions.refusal(RPC, request)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert list_paths(failure) == [
        "cart_items.1.id",
        "cart_items.2.id",
        "cart_items.4.items.0.id",
        "cart_items.4.items.1.id",
        "cart_items.4.items.2.id",
    ]
    assert subscriptions.rows() == before


def test_ids_of_what_was_taken_out_name_nothing(
    subscriptions: Served, active: Subscription
) -> None:
    glasses, lenses = read_cart(active)
    change_cart(subscriptions, active.id, lenses.id)
    assert list_paths(
        subscriptions.refusal(RPC, build_cart_update(active.id, glasses.id, lenses.id))
    ) == ["cart_items.0.id"]


@pytest.mark.parametrize(
    ("items", "faults"),
    [
        ([], ["cart_items"]),
        ([{"id": UNKNOWN, "name": "x"}], ["cart_items.0.name"]),
        ([{"name": "x"}], ["price_with_tax", "quantity", "type"]),
        ([build_package({"id": "a", "quantity": 1})], ["cart_items.0.items.0.quantity"]),
        ([build_material(quantity=0)], ["cart_items.0.quantity"]),
        ([build_material(reference="\0")], ["cart_items.0.reference"]),
    ],
)
def test_a_wrong_shape_is_malformed(
    subscriptions: Served, active: Subscription, items: Any, faults: list[str]
) -> None:
    failure = subscriptions.refusal(RPC, build_cart_update(active.id, *items))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert sorted(path.removeprefix("cart_items.0.") for path in list_paths(failure)) == [
        path.removeprefix("cart_items.0.") for path in faults
    ]


def test_the_whole_new_cart_has_to_make_sense(subscriptions: Served, active: Subscription) -> None:
    glasses, lenses = read_cart(active)
    left, right = (item.id for item in lenses.items)
    wrong: dict[str, list[Any]] = {
        "cart_items.0.items.1.product_data.eye": [
            build_package({"id": left}, build_lens("left"), price_with_tax=200)
        ],
        "cart_items.0.price_with_tax": [
            build_package({"id": left}, {"id": right}, price_with_tax=1)
        ],
        "cart_items.0.type": [left],
        "cart_items": [lenses.id, glasses.id],
    }
    for path, items in wrong.items():
        failure = subscriptions.refusal(RPC, build_cart_update(active.id, *items))
        assert (failure.reason, list_paths(failure)) == ("INVALID", [path])


@pytest.mark.parametrize("status", ["draft", "sent", "waiting_for_payment", "cancelled"])
def test_only_an_active_one_changes(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    failure = subscriptions.refusal(RPC, build_cart_update(made.id, build_material()))
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "NOT_ALLOWED")


def test_one_that_is_activating_or_over_does_not_change(
    subscriptions: Served, body: Any, active: Subscription
) -> None:
    request = build_cart_update(create_confirmed(subscriptions, body).id, build_material())
    assert subscriptions.refusal(RPC, request).reason == "NOT_ALLOWED"
    kept = [item.id for item in read_cart(active)]
    subscriptions.call(RPC, build_cart_update(active.id, *kept, build_material()))
    with subscriptions.clock.at(active.renewal_at.ToDatetime(UTC)):
        request = build_cart_update(active.id, *kept, build_material())
        assert subscriptions.refusal(RPC, request).reason == "NOT_ALLOWED"


def test_an_exchange_needs_a_paid_subscription_and_an_addition_does_not(
    subscriptions: Served, active: Subscription
) -> None:
    glasses, lenses = read_cart(active)
    pay(subscriptions, active.id, successful=False)
    failure = subscriptions.refusal(RPC, build_cart_update(active.id, lenses.id))
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "NOT_ALLOWED")
    subscriptions.call(RPC, build_cart_update(active.id, glasses.id, lenses.id, build_material()))


def test_what_is_not_allowed_any_more_is_not_confirmed(
    subscriptions: Served, active: Subscription
) -> None:
    subscriptions.call(RPC, build_cart_update(active.id, read_cart(active)[1].id))
    pay(subscriptions, active.id, successful=False)
    before = subscriptions.rows()
    request = ConfirmSubscriptionRequest(subscription_id=active.id)
    failure = subscriptions.refusal("ConfirmSubscription", request, "staff", desk=True)
    assert failure.reason == "NOT_ALLOWED"
    assert subscriptions.rows() == before
    pay(subscriptions, active.id)
    assert list_names(confirm(subscriptions, active.id)) == [["CL-left", "CL-right"]]


def test_not_found_and_another_merchants_come_before_the_shape(
    subscriptions: Served, body: Any
) -> None:
    others = create_confirmed(subscriptions, body, "other", merchant=OTHER_STORE)
    assert subscriptions.refusal(RPC, build_cart_update(others.id)).reason == "UNAUTHENTICATED"
    assert subscriptions.refusal(RPC, build_cart_update(UNKNOWN)).code is StatusCode.NOT_FOUND


def test_a_key_proposes_once(subscriptions: Served, active: Subscription, unique: str) -> None:
    request = build_cart_update(
        active.id, *(item.id for item in read_cart(active)), build_material()
    )
    subscriptions.call(RPC, request, idempotency_key=unique)
    code = get(subscriptions, active.id).pending_cart.code
    subscriptions.call(RPC, request, idempotency_key=unique)
    assert get(subscriptions, active.id).pending_cart.code == code


def test_confirmations_at_once_put_one_cart_into_force_once(
    subscriptions: Served, active: Subscription
) -> None:
    for turn in range(4):
        kept = [item.id for item in read_cart(get(subscriptions, active.id))]
        request = build_cart_update(active.id, *kept, build_material(reference=str(turn)))
        subscriptions.call(RPC, request)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: confirm(subscriptions, active.id), range(8)))
        assert len({answer.last_persisted_cart.id for answer in answers}) == 1
        assert len(read_cart(answers[0])) == 3 + turn


def test_proposals_and_confirmations_at_once_leave_one_whole_cart(
    subscriptions: Served, active: Subscription
) -> None:
    kept = [item.id for item in read_cart(active)]

    def work(turn: int) -> str:
        if turn % 2:
            confirm(subscriptions, active.id)
            return ""
        request = build_cart_update(active.id, *kept, build_material(reference=str(turn)))
        try:
            subscriptions.call(RPC, request)
        except RpcError as error:  # it would take out what another has brought in: an exchange
            return decode(error).reason
        return ""

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(16))) <= {"", "NOT_ALLOWED"}
    found = get(subscriptions, active.id)
    assert [item.id for item in read_cart(found)][:2] == kept
    assert len(read_cart(found)) in (2, 3)


def test_a_full_cart_has_room_for_nothing(subscriptions: Served, body: Any) -> None:
    full = [build_material(reference=str(index)) for index in range(100)]
    with subscriptions.clock.at(START):
        made = pay(subscriptions, create_activated(subscriptions, body, START, cart_items=full).id)
        assert not made.available_actions.add_product
        kept = [item.id for item in read_cart(made)]
        failure = subscriptions.refusal(RPC, build_cart_update(made.id, *kept, build_material()))
        assert (failure.reason, list_paths(failure)) == ("MALFORMED", ["cart_items"])
        found = change_cart(subscriptions, made.id, *kept[1:], build_material(reference="NEW"))
    assert len(read_cart(found)) == 100


def test_a_period_is_that_of_every_subscription(
    subscriptions: Served, active: Subscription
) -> None:
    kept = [item.id for item in read_cart(active)]
    wrong = build_cart_update(active.id, *kept, build_material(subscription_period="12 months"))
    failure = subscriptions.refusal(RPC, wrong)
    assert (failure.reason, list_paths(failure)) == (
        "MALFORMED",
        ["cart_items.2.subscription_period"],
    )
    change_cart(subscriptions, active.id, *kept, build_material(subscription_period="24 months"))

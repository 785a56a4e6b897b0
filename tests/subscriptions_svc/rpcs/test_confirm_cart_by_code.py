"""A cart by the code of its link: what the shopper is shown, and its confirmation."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from chassis.errors import Failure, decode
from protos.subscriptions_pb2 import (
    CancelSubscriptionRequest,
    ConfirmCartByCodeRequest,
    GetCartByCodeRequest,
    RecordPaymentRequest,
    ShopperCart,
    Subscription,
    UpdateProductsRequest,
)
from protos.subscriptions_pb2_grpc import ShopperServiceStub
from tests.serving import Served
from tests.subscriptions_svc.bodies import material
from tests.subscriptions_svc.shop import activated, confirm, end, get, solicited

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATE = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # the 2nd of March in Madrid


def look(served: Served, code: str, **metadata: str) -> ShopperCart:
    """What nobody in particular is shown behind a code."""
    stub, request = ShopperServiceStub(served.channel), GetCartByCodeRequest(code=code)
    return stub.GetCartByCode(request, timeout=20, metadata=tuple(metadata.items()))


def accept(served: Served, code: str, *, accepted: bool = True) -> ShopperCart:
    """Confirm what is behind a code."""
    request = ConfirmCartByCodeRequest(code=code, terms_accepted=accepted)
    return ShopperServiceStub(served.channel).ConfirmCartByCode(request, timeout=20)


def refusal(rpc: Any, *arguments: Any, **options: Any) -> Failure:
    """The Failure with which a call is refused."""
    try:
        answer = rpc(*arguments, **options)
    except grpc.RpcError as error:
        return decode(error)
    raise AssertionError(f"not refused: {answer}")


def pay(served: Served, subscription_id: str) -> None:
    """Record that it is paid."""
    request = RecordPaymentRequest(subscription_id=subscription_id, successful=True)
    served.call("RecordPayment", request, "staff", desk=True)


def propose(served: Served, made: Subscription, name: str = "Sunglasses") -> str:
    """Propose to add sunglasses; gives the code of the cart that pends."""
    request = UpdateProductsRequest(subscription_id=made.id)
    request.cart_items.add(id=made.last_persisted_cart.cart_items[0].id)
    request.cart_items.add(**material(name=name))
    served.call("UpdateProducts", request)
    return get(served, made.id).pending_cart.code


def shown(cart: ShopperCart) -> Any:
    return MessageToDict(cart, preserving_proto_field_name=True)


def lens(eye: str) -> dict[str, Any]:
    return {
        "name": f"{eye.capitalize()} contact lens",
        "quantity": 1,
        "monthly": {"value": "1000", "string": "10,00 €"},
        "eye": eye,
        "boxes_a_year": 4,
    }


PACKAGE = {
    "name": "Contact lens package",
    "quantity": 1,
    "monthly": {"value": "2000", "string": "20,00 €"},
    "items": [lens("left"), lens("right")],
}
SUNGLASSES = {
    "name": "Sunglasses",
    "quantity": 1,
    "monthly": {"value": "1458", "string": "14,58 €"},
    "changes": True,
}
DRAFT = {
    "state": "open",
    "shop": "Tienda Moderna",
    "locale": "es-ES",
    "given_names": "John",
    "items": [PACKAGE],
    "monthly": {"value": "2000", "string": "20,00 €"},
    "total_months": 24,
}


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    code = made.last_persisted_cart.code
    assert shown(look(subscriptions, code)) == DRAFT

    with subscriptions.clock.at(LATE):
        assert shown(accept(subscriptions, code)) == {**DRAFT, "state": "waiting_for_payment"}
        assert get(subscriptions, made.id).status == "waiting_for_payment"

        pay(subscriptions, made.id)
    after = get(subscriptions, made.id)
    assert (after.status, after.confirmed_at.ToDatetime(UTC)) == ("activating", LATE)
    assert shown(look(subscriptions, code)) == {
        **DRAFT,
        "state": "confirmed",
        "confirmed_on": "2026-03-02",
        "contract_number": after.contract_number,
    }


def test_a_paid_one_is_confirmed_at_once(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    pay(subscriptions, made.id)
    assert accept(subscriptions, made.last_persisted_cart.code).state == "confirmed"
    assert get(subscriptions, made.id).status == "activating"


@pytest.mark.parametrize("status", ["draft", "sent", "in_progress"])
def test_the_first_look_opens_it(subscriptions: Served, body: Any, status: str) -> None:
    made = solicited(subscriptions, body)
    end(subscriptions, made.id, status)
    for _ in range(2):
        assert look(subscriptions, made.last_persisted_cart.code).state == "open"
        assert get(subscriptions, made.id).status == "in_progress"


def test_a_look_moves_nothing_that_is_further(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    for status, state in [
        ("waiting_for_payment", "waiting_for_payment"),
        ("activating", "confirmed"),
        ("active", "confirmed"),
        ("cancelled", "ended"),
        ("finished", "ended"),
    ]:
        end(subscriptions, made.id, status)
        assert look(subscriptions, made.last_persisted_cart.code).state == state
        assert accept(subscriptions, made.last_persisted_cart.code).state == state
        assert get(subscriptions, made.id).status == status


def test_without_the_terms_nothing_is_confirmed(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    before = subscriptions.rows()
    failure = refusal(accept, subscriptions, made.last_persisted_cart.code, accepted=False)
    assert (failure.reason, [fault.path for fault in failure.faults]) == (
        "INVALID",
        ["terms_accepted"],
    )
    assert subscriptions.rows() == before


@pytest.mark.parametrize(
    "code", ["", "x", "a" * 27, "a" * 33, "a" * 100_000, "\0", "ñ", "' OR 1=1 --", "../s", " "]
)
def test_an_unknown_code_is_not_found(subscriptions: Served, code: str) -> None:
    assert refusal(look, subscriptions, code).reason == "NOT_FOUND"
    assert refusal(accept, subscriptions, code).reason == "NOT_FOUND"
    assert refusal(accept, subscriptions, code, accepted=False).reason == "NOT_FOUND"


def test_what_is_known_of_an_account_does_not_matter(subscriptions: Served, body: Any) -> None:
    code = solicited(subscriptions, body).last_persisted_cart.code
    assert look(subscriptions, code, authorization="Basic nonsense").state == "open"
    assert look(subscriptions, code, **{"idempotency-key": "k"}).state == "open"


def test_two_at_once_confirm_once(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    pay(subscriptions, made.id)
    with ThreadPoolExecutor(8) as pool:
        told = list(
            pool.map(
                lambda _: shown(accept(subscriptions, made.last_persisted_cart.code)), range(8)
            )
        )
    number = get(subscriptions, made.id).contract_number
    assert [each["contract_number"] for each in told] == [number] * 8
    assert {each["state"] for each in told} == {"confirmed"}


def test_a_change_is_shown_beside_what_there_is(subscriptions: Served, body: Any) -> None:
    made = activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        code = propose(subscriptions, made)
        cart = look(subscriptions, code)
    contract = {
        "confirmed_on": "2026-03-01",
        "contract_number": made.contract_number,
        "ends_on": "2028-03-01",
    }
    assert shown(cart) == {
        **DRAFT,
        **contract,
        "state": "change",
        "items": [PACKAGE, SUNGLASSES],
        "monthly": {"value": "3458", "string": "34,58 €"},
        "items_before": [PACKAGE],
        "monthly_before": {"value": "2000", "string": "20,00 €"},
    }
    with subscriptions.clock.at(NOON):
        after = accept(subscriptions, code)
    assert shown(after) == {
        **DRAFT,
        **contract,
        "state": "confirmed",
        "items": [PACKAGE, {name: SUNGLASSES[name] for name in ("name", "quantity", "monthly")}],
        "monthly": {"value": "3458", "string": "34,58 €"},
    }
    in_force = get(subscriptions, made.id)
    assert in_force.last_persisted_cart.code == code
    assert not in_force.HasField("pending_cart")


def test_what_goes_is_marked(subscriptions: Served, body: Any) -> None:
    made = activated(subscriptions, body, NOON)
    pay(subscriptions, made.id)
    request = UpdateProductsRequest(subscription_id=made.id)
    request.cart_items.add(**material())
    with subscriptions.clock.at(NOON):
        subscriptions.call("UpdateProducts", request)
        cart = look(subscriptions, get(subscriptions, made.id).pending_cart.code)
    (before,) = cart.items_before
    assert [before.changes, *(item.changes for item in before.items)] == [True, True, True]
    assert [item.changes for item in cart.items] == [True]


def test_the_link_of_the_cart_in_force_does_not_confirm_another(
    subscriptions: Served, body: Any
) -> None:
    made = activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        code = propose(subscriptions, made)
        assert accept(subscriptions, made.last_persisted_cart.code).state == "confirmed"
        assert get(subscriptions, made.id).pending_cart.code == code


def test_a_link_dies_with_its_cart(subscriptions: Served, body: Any) -> None:
    made = activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        first = propose(subscriptions, made)
        second = propose(subscriptions, made, "Other glasses")
        assert refusal(accept, subscriptions, first).reason == "NOT_FOUND"
        assert accept(subscriptions, second).state == "confirmed"
        assert accept(subscriptions, second).state == "confirmed"
        # And so does that of the cart whose place it has taken.
        assert refusal(look, subscriptions, made.last_persisted_cart.code).reason == "NOT_FOUND"
    names = [item.name for item in get(subscriptions, made.id).last_persisted_cart.cart_items]
    assert names == ["Contact lens package", "Other glasses"]


def test_two_at_once_confirm_a_change_once(subscriptions: Served, body: Any) -> None:
    made = activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON), ThreadPoolExecutor(8) as pool:
        code = propose(subscriptions, made)
        told = list(pool.map(lambda _: accept(subscriptions, code).state, range(8)))
    assert told == ["confirmed"] * 8
    assert len(get(subscriptions, made.id).last_persisted_cart.cart_items) == 2


def test_a_shopper_who_confirms_while_the_shop_proposes_gets_what_was_seen(
    subscriptions: Served, body: Any
) -> None:
    for _ in range(5):
        made = activated(subscriptions, body, NOON)
        pay(subscriptions, made.id)
        with subscriptions.clock.at(NOON), ThreadPoolExecutor(2) as pool:
            code = propose(subscriptions, made, "Seen")
            confirming = pool.submit(refused_or_state, subscriptions, code)
            proposing = pool.submit(propose, subscriptions, made, "Not seen")
            told = confirming.result()
            proposing.result()
            names = [
                item.name for item in get(subscriptions, made.id).last_persisted_cart.cart_items
            ]
        assert "Not seen" not in names
        assert ("Seen" in names) == (told == "confirmed")


def refused_or_state(served: Served, code: str) -> str:
    try:
        return accept(served, code).state
    except grpc.RpcError as error:
        return decode(error).reason


def test_a_change_that_is_not_possible_any_more_is_refused(
    subscriptions: Served, body: Any
) -> None:
    made = activated(subscriptions, body, NOON)
    pay(subscriptions, made.id)
    request = UpdateProductsRequest(subscription_id=made.id)
    request.cart_items.add(**material())
    failed = RecordPaymentRequest(subscription_id=made.id, successful=False)
    with subscriptions.clock.at(NOON):
        subscriptions.call("UpdateProducts", request)
        code = get(subscriptions, made.id).pending_cart.code
        subscriptions.call("RecordPayment", failed, "staff", desk=True)
        before = subscriptions.rows()
        assert refusal(accept, subscriptions, code).reason == "NOT_ALLOWED"
        assert subscriptions.rows() == before


def test_a_cancelled_one_tells_that_it_has_ended(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    request = CancelSubscriptionRequest(subscription_id=made.id, reason="Asked for it")
    subscriptions.call("CancelSubscription", request)
    assert accept(subscriptions, made.last_persisted_cart.code).state == "ended"


def test_staff_confirms_and_the_page_tells(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    confirm(subscriptions, made.id)
    assert look(subscriptions, made.last_persisted_cart.code).state == "confirmed"


def test_pieces_count_in_the_price(subscriptions: Served, body: Any) -> None:
    glasses = material(quantity=3, price_with_tax=35000)
    cart = [*body("subscription")["cart_items"], glasses]
    made = solicited(subscriptions, body, cart_items=cart)
    found = look(subscriptions, made.last_persisted_cart.code)
    assert found.items[1].monthly.string == "43,74 €"
    assert found.monthly.string == "63,74 €"

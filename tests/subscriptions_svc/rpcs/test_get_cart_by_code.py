"""The cart behind a link, as its shopper sees it."""

from typing import Any

import pytest

from protos.subscriptions_pb2 import GetCartByCodeRequest, UpdateProductsRequest
from protos.subscriptions_pb2_grpc import ShopperServiceStub
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.shop import (
    confirm,
    create_activated,
    get,
    pay,
    propose,
    set_status,
    solicit,
)
from tests.subscriptions_svc.shopper import (
    DRAFT,
    NOON,
    PACKAGE,
    SUNGLASSES,
    accept,
    look,
    to_document,
)


@pytest.mark.parametrize("status", ["draft", "sent", "in_progress"])
def test_the_first_look_opens_it(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    for _ in range(2):
        assert look(subscriptions, made.last_persisted_cart.code).state == "open"
        assert get(subscriptions, made.id).status == "in_progress"


@pytest.mark.parametrize("status", ["draft", "sent", "in_progress"])
def test_a_peek_opens_nothing(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    code, before = made.last_persisted_cart.code, subscriptions.rows()
    request = GetCartByCodeRequest(code=code, peek=True)
    cart = ShopperServiceStub(subscriptions.channel).GetCartByCode(request, timeout=20)
    assert subscriptions.rows() == before
    assert cart == look(subscriptions, code)


def test_a_look_moves_nothing_that_is_further(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    for status, state in [
        ("waiting_for_payment", "waiting_for_payment"),
        ("activating", "confirmed"),
        ("active", "confirmed"),
        ("cancelled", "ended"),
        ("finished", "ended"),
    ]:
        set_status(subscriptions, made.id, status)
        assert look(subscriptions, made.last_persisted_cart.code).state == state
        assert accept(subscriptions, made.last_persisted_cart.code).state == state
        assert get(subscriptions, made.id).status == status


def test_credentials_and_metadata_make_no_difference(subscriptions: Served, body: Any) -> None:
    code = solicit(subscriptions, body).last_persisted_cart.code
    assert look(subscriptions, code, authorization="Basic nonsense").state == "open"
    assert look(subscriptions, code, **{"idempotency-key": "k"}).state == "open"


def test_a_change_is_shown_beside_what_there_is(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        code = propose(subscriptions, made)
        cart = look(subscriptions, code)
    contract = {
        "confirmed_on": "2026-03-01",
        "contract_number": made.contract_number,
        "ends_on": "2028-03-01",
    }
    assert to_document(cart) == {
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
    assert to_document(after) == {
        **DRAFT,
        **contract,
        "state": "confirmed",
        "items": [PACKAGE, {name: SUNGLASSES[name] for name in ("name", "quantity", "monthly")}],
        "monthly": {"value": "3458", "string": "34,58 €"},
    }
    in_force = get(subscriptions, made.id)
    assert in_force.last_persisted_cart.code == code
    assert not in_force.HasField("pending_cart")


def test_removed_items_are_marked(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    pay(subscriptions, made.id)
    request = UpdateProductsRequest(subscription_id=made.id)
    request.cart_items.add(**build_material())
    with subscriptions.clock.at(NOON):
        subscriptions.call("UpdateProducts", request)
        cart = look(subscriptions, get(subscriptions, made.id).pending_cart.code)
    (before,) = cart.items_before
    assert [before.changes, *(item.changes for item in before.items)] == [True, True, True]
    assert [item.changes for item in cart.items] == [True]


def test_a_confirmation_by_staff_shows_on_the_page(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    confirm(subscriptions, made.id)
    assert look(subscriptions, made.last_persisted_cart.code).state == "confirmed"


def test_pieces_count_in_the_price(subscriptions: Served, body: Any) -> None:
    glasses = build_material(quantity=3, price_with_tax=35000)
    cart = [*body("subscription")["cart_items"], glasses]
    made = solicit(subscriptions, body, cart_items=cart)
    found = look(subscriptions, made.last_persisted_cart.code)
    assert found.items[1].monthly.string == "43,74 €"
    assert found.monthly.string == "63,74 €"

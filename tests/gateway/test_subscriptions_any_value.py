"""Any JSON value anywhere in the bodies that change a subscription is accepted or refused."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.subscription_calls import SHOP, URL
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.rpcs.test_cancel_subscription import START
from tests.subscriptions_svc.shop import create_activated, pay
from tests.test_any_value import FEWER, find_places, put, values

PREFIX = "/api/public/v1"
CART = [build_material(), build_package(build_lens("left", exchange_cycle=1), build_lens("right"))]


@pytest.fixture
def made(subscriptions: Served, body: Any) -> Any:
    """A paid, active subscription that costs something to cancel."""
    return pay(subscriptions, create_activated(subscriptions, body, START, cart_items=CART).id)


def build_bodies(made: Any) -> dict[str, Any]:
    """Return an acceptable body for each POST, by its path."""
    glasses, whole = made.last_persisted_cart.cart_items
    own = f"{URL}/{made.id}"
    left = {"cart_item_reference_uuid": whole.items[0].reference_uuid, "quantity": 1}
    merchant = {"reference": "tienda_moderna", "store_ref": "tienda_moderna"}
    shopper = {
        "given_names": "John",
        "surnames": "Doe",
        "nin": "12345678Z",
        "email": "john@example.com",
        "mobile_phone": "679959234",
        "date_of_birth": "2000-12-20",
    }
    summary = {
        "purchase_fee": 1,
        "total_to_pay": 0,
        "kept_items": [glasses.reference_uuid],
        "returned_items": [whole.reference_uuid],
    }
    return {
        f"{own}/box_deliveries": {"deliveries": [left]},
        f"{own}/update_products": {
            "cart_items": [
                {"id": glasses.id},
                build_package({"id": whole.items[1].id}, build_lens("left"), price_with_tax=200),
                build_material(subscription_price=1, subscription_vat_rate=2100),
            ]
        },
        f"{own}/cancel": {"reason": "Customer request", "summary": summary},
        f"{own}/warranty_event": {
            "type": "repair",
            "charged_amount": 4500,
            "product_id": glasses.reference_uuid,
            "name": "Broken",
            "description": "Broken",
        },
        f"{PREFIX}/pre_approvals": {"merchant": merchant, "shopper": shopper},
        f"{PREFIX}/price_simulations": {"merchant_id": "tienda_moderna", "cart_items": CART},
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("which", range(6))
def test_any_value_in_any_place(
    http: FlaskClient, subscriptions: Served, made: Any, which: int
) -> None:
    path, well_meant = list(build_bodies(made).items())[which]
    text = json.dumps(well_meant)
    where = list(find_places(well_meant))

    @FEWER
    @given(st.sampled_from(where), values)
    def holds(place: tuple[Any, ...], value: Any) -> None:
        before = subscriptions.rows()
        sent = json.dumps(put(json.loads(text), place, value))
        answer = http.post(path, data=sent, headers=SHOP)
        if answer.status_code == 200:
            return
        refusals = {400, 422}
        if place[:1] in (("merchant",), ("merchant_id",)) or place == ():
            refusals.add(401)
        if path.endswith("warranty_event"):
            refusals.remove(400)
        assert answer.status_code in refusals, (place, value, answer.get_data())
        assert all(each["title"] for each in answer.get_json()["errors"])
        assert subscriptions.rows() == before

    holds()

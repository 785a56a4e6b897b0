"""Faults of the field over HTTP, on both engines: each was once answered otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from tests.gateway.subscription_calls import SHOP, URL, get, read_refusal, read_violations, send
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    build_delivery,
    confirm,
    confirm_as_shopper,
    create_activated,
    list_lenses,
    pay,
    solicit,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PREFIX = "/api/public/v1"
ITEM = "11111111-1111-4111-8111-111111111111"
ACTIONS = (
    "box_deliveries",
    "update_products",
    "cancel",
    "warranty_event",
    "send_email",
    "send_sms",
    f"cart_items/{ITEM}/activate",
)


def test_at_the_instant_of_the_renewal_it_is_listed_as_finished_alone(
    http: FlaskClient, subscriptions: Served, body: Any, unique: str
) -> None:
    made = create_activated(subscriptions, body, NOON, surnames=unique)
    with subscriptions.clock.at(made.renewal_at.ToDatetime(UTC)):
        listed = {
            status: [each["id"] for each in get(http, f"{URL}?status={status}")["data"]]
            for status in ("active", "finished")
        }
        assert get(http, f"{URL}/{made.id}")["status"] == "finished"
    assert [status for status, ids in listed.items() if made.id in ids] == ["finished"]


def test_lists_are_filtered_by_merchant_and_store_under_either_name(
    http: FlaskClient, subscriptions: Served, body: Any, unique: str
) -> None:
    made = solicit(subscriptions, body, surnames=unique)

    def list_ids(**filters: str) -> list[str]:
        return [each["id"] for each in get(http, f"{URL}?{urlencode(filters)}")["data"]]

    for name in ("merchant_id", "merchant_reference", "store_ref", "store_id"):
        assert list_ids(search=unique, **{name: "other,tienda_moderna"}) == [made.id]
        assert list_ids(search=unique, **{name: "other"}) == []
        refused = http.get(f"{URL}?{name}=a,,b", headers=SHOP)
        message = "Must be 1 to 100 values joined by commas, none empty."
        assert read_violations(refused, 400, "malformed") == [(name, message)]


@pytest.mark.parametrize("quantity", [2, 3, 10**6])
def test_a_package_is_one_package(http: FlaskClient, body: Any, quantity: int) -> None:
    demo = body("subscription")
    demo["cart_items"][0]["quantity"] = quantity
    expected = [("cart_items.0.quantity", "Must be 1 for a package.")]
    assert read_violations(send(http, demo), 422, "invalid") == expected
    simulated = send(http, {"cart_items": demo["cart_items"]}, f"{PREFIX}/price_simulations")
    assert read_violations(simulated, 422, "invalid") == expected


def test_a_new_package_of_a_changed_cart_is_one_package(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made = create_activated(subscriptions, body, NOON)
    kept = {"id": made.last_persisted_cart.cart_items[0].id}
    cart = {"cart_items": [kept, build_package(build_material(), quantity=2)]}
    with subscriptions.clock.at(NOON + timedelta(days=2)):
        refused = send(http, cart, f"{URL}/{made.id}/update_products")
    expected = [("cart_items.1.quantity", "Must be 1 for a package.")]
    assert read_violations(refused, 422, "invalid") == expected


@pytest.mark.parametrize("key", ["x" * 256, "a b", ""])
def test_a_malformed_idempotency_key_is_malformed_in_every_call(
    http: FlaskClient, subscriptions: Served, body: Any, key: str
) -> None:
    made = solicit(subscriptions, body)
    urls = [
        URL,
        f"{PREFIX}/pre_approvals",
        f"{PREFIX}/price_simulations",
        *(f"{URL}/{made.id}/{action}" for action in ACTIONS),
    ]
    headers = {**SHOP, "Idempotency-Key": key}
    for url in urls:
        method = "PATCH" if url.endswith("activate") else "POST"
        for sent in (VALID.get(url.rpartition("/")[2], {}), "{"):
            refused = send(http, sent, url, headers, method)
            expected = [("Idempotency-Key", "Must be 1-255 visible ASCII characters.")]
            assert read_violations(refused, 400, "malformed") == expected, url


VALID: dict[str, Any] = {
    "cancel": {"reason": "Customer request"},
    "box_deliveries": {"deliveries": [{"cart_item_reference_uuid": ITEM, "quantity": 1}]},
    "price_simulations": {"cart_items": [build_package(build_lens("left"))]},
}


def test_confirmed_and_not_paid_it_waits_for_payment(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made, other = solicit(subscriptions, body), solicit(subscriptions, body)
    uuid = list_lenses(made)[0].reference_uuid
    boxes = {"deliveries": [{"cart_item_reference_uuid": uuid, "quantity": 1}]}
    url = f"{URL}/{made.id}/box_deliveries"

    def read_title() -> str:
        (error,) = read_refusal(send(http, boxes, url), 409)["errors"]
        assert error["code"] == "no_confirmed_cart"
        return str(error["title"])

    assert read_title() == "The shopper has not confirmed the cart."
    for each in (made, other):
        confirm_as_shopper(subscriptions, each.id, NOON)
    assert read_title() == "The subscription waits for payment."
    assert not get(http, f"{URL}/{made.id}")["available_actions"]["deliver_boxes"]
    pay(subscriptions, made.id, successful=False)
    assert read_title() == "The subscription waits for payment."
    pay(subscriptions, made.id)
    assert send(http, boxes, url).status_code == 200
    confirm(subscriptions, other.id)  # staff need not wait for the payment
    lens_ = list_lenses(other)[0].reference_uuid
    subscriptions.call("CreateBoxDeliveries", build_delivery(other.id, (lens_, 1)))


def test_an_address_that_cannot_be_written_to_is_refused_when_it_is_given(
    http: FlaskClient, body: Any, unique: str
) -> None:
    for address in ("é" * 33 + "@example.com", "x" * 65 + "@example.com", "no address"):
        demo = {**body("subscription"), "reference": unique, "email": address}
        assert read_violations(send(http, demo), 422, "invalid") == [
            ("email", "Must be an e-mail address, such as name@example.com.")
        ]
    for address in ("john@münchen.de", "josé@example.com"):
        accepted = {**body("subscription"), "reference": unique + address, "email": address}
        assert send(http, accepted).status_code == 201

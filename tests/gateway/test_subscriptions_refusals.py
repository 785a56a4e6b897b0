"""/api/public/v1 over HTTP, on both engines: refusals, their form and their order."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.subscription_calls import SHOP, STAFF, URL, read_refusal, read_violations, send
from tests.serving import Served, build_basic
from tests.subscriptions_svc.shop import OTHER_STORE, UNKNOWN, confirm, set_status, solicit

UNAUTHORIZED = {"errors": [{"code": "unauthorized", "title": "Unauthorized"}]}
NOT_FOUND = {"errors": [{"code": "not_found", "title": "There is no such subscription."}]}


@pytest.fixture
def demo(body: Any, unique: str) -> dict[str, Any]:
    """Return the demo body with a reference of its own."""
    changed: dict[str, Any] = {**body("subscription"), "reference": unique}
    return changed


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("status=unknown", "status"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("per_page=101", "per_page"),
        ("created_at[from]=x", "created_at[from]"),
        ("colour=red", "colour"),
        ("status=draft&status=sent", "status"),
        ("search=%00", "search"),
    ],
)
def test_a_wrong_filter_is_malformed(http: FlaskClient, query: str, source: str) -> None:
    answer = http.get(f"{URL}?{query}", headers=SHOP)
    assert [path for path, _ in read_violations(answer, 400, "malformed")] == [source]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "{",
        "[]",
        "null",
        '{"reference": NaN}',
        b'{"reference": "\xff"}',
        '{"reference": "a", "reference": "b"}',
        '{"cart_items": ' + "[" * 100_000,
        '{"reference": 1}',
        '{"cart_items": [{"quantity": 1.5}]}',
        '{"cart_items": [{"quantity": true}]}',
        '{"cart_items": [{"price_with_tax": 1e99}]}',
        '{"cart_items": [{"price_with_tax": 99999999999999999999}]}',
        '{"reference": "\\u0000"}',
        '{"surplus": 1}',
        '{"discounts": {}}',
    ],
)
def test_a_wrong_shape_is_malformed(http: FlaskClient, subscriptions: Served, sent: str) -> None:
    before = subscriptions.rows()
    assert {error["code"] for error in read_refusal(send(http, sent), 400)["errors"]} == {
        "malformed"
    }
    assert subscriptions.rows() == before


def test_all_faults_of_meaning_are_listed_at_once(http: FlaskClient, demo: Any) -> None:
    demo["merchant"]["store_ref"] = "unknown"
    demo["cart_items"][0] |= {"price_with_tax": 1}
    demo["cart_items"][0]["items"][1]["product_data"]["eye"] = "left"
    demo |= {"email": "john", "nin": "12345678A"}
    assert read_violations(send(http, demo), 422, "invalid") == [
        ("cart_items.0.items.1.product_data.eye", "Each eye may have one contact lens."),
        ("cart_items.0.price_with_tax", "Must be its items' price times quantity, summed."),
        ("email", "Must be an e-mail address, such as name@example.com."),
        ("merchant.store_ref", "Must be a store of this merchant."),
        ("nin", "Must be a valid DNI or NIE."),
    ]


def test_a_live_reference_is_a_conflict(http: FlaskClient, demo: Any) -> None:
    assert send(http, demo).status_code == 201
    title = "A live subscription of this merchant has this reference."
    assert read_refusal(send(http, demo), 409) == {"errors": [{"code": "conflict", "title": title}]}


def test_another_merchant_is_unauthorized(
    http: FlaskClient, subscriptions: Served, body: Any, demo: Any
) -> None:
    others = solicit(subscriptions, body, "other", merchant=OTHER_STORE).id
    item = f"{URL}/{others}/cart_items/{UNKNOWN}/activate"
    answers = [
        send(http, {**demo, "merchant": OTHER_STORE}),
        send(http, {**demo, "merchant": {"id": "unknown", "store_ref": "unknown"}}),
        http.get(f"{URL}/{others}", headers=SHOP),
        send(http, {"deliveries": []}, f"{URL}/{others}/box_deliveries"),
        send(http, "{", f"{URL}/{others}/box_deliveries"),
        send(http, {}, item, method="PATCH"),
        send(http, "{", item, method="PATCH"),
    ]
    assert [read_refusal(answer, 401) for answer in answers] == [UNAUTHORIZED] * len(answers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic"},
        {"Authorization": "Basic ñ"},
        {"Authorization": build_basic("demo-merchant", "wrong-secret-of-it")},
        {"Authorization": build_basic("nobody", "demo-merchant-secret")},
        {"Authorization": "Bearer tok_x"},
        STAFF,
    ],
)
def test_callers_other_than_shops_are_unauthorized_before_anything_else(
    http: FlaskClient, body: Any, headers: Any
) -> None:
    answers = [
        send(http, body("subscription"), headers=headers),
        send(http, "{", headers=headers),
        http.get(URL, headers=headers),
        http.get(f"{URL}?page=x", headers=headers),
        http.get(f"{URL}/{UNKNOWN}", headers=headers),
        http.get(f"{URL}/{UNKNOWN}?page=x", headers=headers),
        send(http, "{", f"{URL}/{UNKNOWN}/box_deliveries", headers),
        send(http, {}, f"{URL}/x/cart_items/x/activate", headers, "PATCH"),
    ]
    assert [read_refusal(answer, 401) for answer in answers] == [UNAUTHORIZED] * len(answers)


@pytest.mark.parametrize("wrong", [UNKNOWN, "7", "%00", "%ff", "a b", "x" * 2000])
def test_not_found_comes_before_the_shape(http: FlaskClient, wrong: str) -> None:
    answers = [
        http.get(f"{URL}/{wrong}", headers=SHOP),
        http.get(f"{URL}/{wrong}?surplus=1", headers=SHOP),
        send(http, "{", f"{URL}/{wrong}/box_deliveries"),
        send(http, {"deliveries": [{"quantity": 0}]}, f"{URL}/{wrong}/box_deliveries"),
        send(http, "{", f"{URL}/{wrong}/cart_items/{UNKNOWN}/activate", method="PATCH"),
    ]
    assert [read_refusal(answer, 404) for answer in answers] == [NOT_FOUND] * len(answers)


def test_shape_comes_before_state_and_state_before_meaning(
    http: FlaskClient, subscriptions: Served, demo: Any
) -> None:
    made = send(http, demo).get_json()
    url = f"{URL}/{made['id']}/box_deliveries"
    unknown = {"deliveries": [{"cart_item_reference_uuid": UNKNOWN, "quantity": 1}]}
    shapeless: list[Any] = [
        {},
        {"deliveries": []},
        {"deliveries": [{"quantity": 1}]},
        {"deliveries": [{"cart_item_reference_uuid": UNKNOWN}]},
        {"deliveries": [{"cart_item_reference_uuid": UNKNOWN, "quantity": 0}]},
        {"deliveries": [{"cart_item_reference_uuid": UNKNOWN, "quantity": "1"}]},
        {"subscription_id": made["id"], **unknown},
    ]
    for sent in shapeless:
        errors = read_refusal(send(http, sent, url), 400)["errors"]
        assert [error["code"] for error in errors] == ["malformed"]
    waiting = {"code": "no_confirmed_cart", "title": "The shopper has not confirmed the cart."}
    assert read_refusal(send(http, unknown, url), 409) == {"errors": [waiting]}
    confirm(subscriptions, made["id"])
    assert read_violations(send(http, unknown, url), 422, "invalid") == [
        (
            "deliveries.0.cart_item_reference_uuid",
            "Must be of a contact lens of the cart.",
        )
    ]
    set_status(subscriptions, made["id"])
    over = {"code": "no_confirmed_cart", "title": "The subscription has ended."}
    assert read_refusal(send(http, unknown, url), 409) == {"errors": [over]}


def test_other_routes_and_methods_are_refused_in_the_same_form(http: FlaskClient) -> None:
    nowhere = read_refusal(http.get("/api/public/v1/nowhere", headers=SHOP), 404)
    assert [error["code"] for error in nowhere["errors"]] == ["not_found"]
    wrong_method = http.delete(URL, headers=SHOP)
    assert [each["code"] for each in read_refusal(wrong_method, 405)["errors"]] == [
        "method_not_allowed"
    ]
    large = read_refusal(send(http, b" " * (1024 * 1024 + 1)), 413)
    assert len(large["errors"]) == 1

"""/api/public/v1 over HTTP, on both engines: successful calls."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.subscription_calls import (
    OTHER_MERCHANT,
    SHOP,
    URL,
    get,
    read_refusal,
    read_violations,
    send,
)
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.shop import UNKNOWN, WITHOUT_DISCOUNT, confirm

NOON = datetime(2026, 3, 1, 12, 0, 0, 651_999, tzinfo=UTC)
TOLD = "2026-03-01T12:00:00.651Z"
NO_ACTION = dict.fromkeys(
    (
        "cancel",
        "withdraw",
        "send_sms",
        "resend_sms",
        "send_cart_link_email",
        "add_product",
        "change_item",
        "activate_product",
        "use_warranty",
        "deliver_boxes",
        "update_customer_info",
        "update_payment_info",
        "change_graduation",
        "reset_sms_count",
        "receive_gift_kit",
        "extend_period",
    ),
    False,
)


@pytest.fixture
def demo(body: Any, unique: str) -> dict[str, Any]:
    """Return the demo body with a reference of its own."""
    changed: dict[str, Any] = {**body("subscription"), "reference": unique}
    return changed


def build_money(value: int, string: str) -> dict[str, Any]:
    return {"value": value, "string": string}


NO_DISCOUNT = {
    "discount_type": None,
    "discount_amount": None,
    **{name: build_money(0, "0,00 €") for name in WITHOUT_DISCOUNT},
}


def build_costs(kept: tuple[int, str], returned: tuple[int, str]) -> dict[str, Any]:
    return {
        "cancellation_cost_kept": build_money(*kept),
        "cancellation_cost_returned": build_money(*returned),
    }


def build_lens_answer(made: Any, eye: str, **changes: Any) -> dict[str, Any]:
    """Return the answer for a lens of the demo body, with its new ids."""
    return {
        "id": made["id"],
        "type": "contact_lens_subscription",
        "reference": f"CL-{eye.upper()}-001",
        "reference_uuid": made["reference_uuid"],
        "name": f"{eye.capitalize()} contact lens",
        "price_with_tax": build_money(25000, "250,00 €"),
        "quantity": 1,
        "total_with_tax": build_money(25000, "250,00 €"),
        "subscription_price": build_money(1000, "10,00 €"),
        "status": "pending",
        "activated_at": None,
        "cancellation_cost_kept": build_money(0, "0,00 €"),
        "cancellation_cost_returned": build_money(0, "0,00 €"),
        **NO_DISCOUNT,
        "product_data": {"eye": eye},
        "box_count": 4,
        "exchange_cycle": 12,
        "delivered_boxes": 0,
        "remaining_boxes": 4,
        **changes,
    }


def build_package_answer(made: Any, **changes: Any) -> dict[str, Any]:
    """Return the answer for the package of the demo body, with its new ids."""
    left, right = made["items"]
    return {
        "id": made["id"],
        "type": "subscription_package",
        "reference": "PKG-001",
        "reference_uuid": made["reference_uuid"],
        "name": "Contact lens package",
        "price_with_tax": build_money(50000, "500,00 €"),
        "quantity": 1,
        "total_with_tax": build_money(50000, "500,00 €"),
        "subscription_price": build_money(2000, "20,00 €"),
        "status": "pending",
        "activated_at": None,
        "cancellation_cost_kept": build_money(0, "0,00 €"),
        "cancellation_cost_returned": build_money(0, "0,00 €"),
        **NO_DISCOUNT,
        "items": [build_lens_answer(left, "left"), build_lens_answer(right, "right")],
        **changes,
    }


def build_subscription_answer(made: Any, reference: str) -> dict[str, Any]:
    """Return the answer for the demo body, with its new ids."""
    cart = made["last_persisted_cart"]
    return {
        "id": made["id"],
        "created_at": TOLD,
        "activated_at": None,
        "renewal_at": None,
        "confirmed_at": None,
        "current_month": 0,
        "total_months": 24,
        "customer": {
            "given_names": "John",
            "surnames": "Doe Jr",
            "email": "john@example.com",
            "phone": "679959234",
            "full_name": "John Doe Jr",
        },
        "status": "draft",
        "payment_status": "pending",
        "reference": reference,
        "contract_number": None,
        "discounts": None,
        "gift_kits_remaining": 0,
        "gift_kits_delivered": 0,
        "credit_card": None,
        "credit_card_type": None,
        "last_delivery_date": None,
        "next_delivery_date": None,
        "available_actions": {
            **NO_ACTION,
            **dict.fromkeys(("withdraw", "send_sms", "update_customer_info"), True),
        },
        "last_persisted_cart": {
            "id": cart["id"],
            "reference": reference,
            "code": cart["code"],
            "cart_items": [build_package_answer(cart["cart_items"][0])],
        },
        "pending_cart": None,
    }


def test_it_works(http: FlaskClient, subscriptions: Served, demo: Any, unique: str) -> None:
    with subscriptions.clock.at(NOON):
        answer = send(http, demo)
        made = answer.get_json()
        assert (answer.status_code, answer.content_type) == (201, "application/json")
        assert answer.headers["Location"] == f"{URL}/{made['id']}"
        assert made == build_subscription_answer(made, unique)
        assert str(uuid.UUID(made["id"])) == made["id"]
        assert get(http, answer.headers["Location"]) == made


def test_absent_fields_are_null(http: FlaskClient, demo: Any) -> None:
    told = {name: demo[name] for name in ("merchant", "reference")}
    item = {**build_material(), "subscription_vat_rate": 2100}
    made = send(http, {**told, "email": "", "city": None, "cart_items": [item]}).get_json()
    names = ("given_names", "surnames", "email", "phone", "full_name")
    assert made["customer"] == dict.fromkeys(names)
    item = made["last_persisted_cart"]["cart_items"][0]
    assert item == {
        "id": item["id"],
        "type": "material_subscription",
        "reference": "SUN-1",
        "reference_uuid": item["reference_uuid"],
        "name": "Sunglasses",
        "price_with_tax": build_money(35000, "350,00 €"),
        "quantity": 1,
        "total_with_tax": build_money(35000, "350,00 €"),
        "subscription_price": build_money(1458, "14,58 €"),
        "status": "pending",
        "activated_at": None,
        "cancellation_cost_kept": build_money(0, "0,00 €"),
        "cancellation_cost_returned": build_money(0, "0,00 €"),
        **NO_DISCOUNT,
        "warranty_breakage_cost": build_money(4374, "43,74 €"),
        "warranty_lost_cost": build_money(8748, "87,48 €"),
        "subscription_vat_rate": 2100,
    }


def test_discounts_come_back_as_they_were_sent(http: FlaskClient, demo: Any) -> None:
    discounts = [{"code": "WELCOME", "amount": 1.50, "of": [None, True, "ñ"]}]
    made = send(http, {**demo, "discounts": discounts}).get_json()
    assert made["discounts"] == discounts
    assert get(http, f"{URL}/{made['id']}")["discounts"] == discounts


def test_discounts_lower_prices(http: FlaskClient, demo: Any) -> None:
    discounts = [
        {"discount_type": "percentage", "discount_rate": 1000, "reference": "CL-LEFT-001"},
        {"discount_type": "amount", "discount_amount": 5000, "reference": "CL-RIGHT-001"},
    ]
    made = send(http, {**demo, "discounts": discounts}).get_json()
    (package,) = made["last_persisted_cart"]["cart_items"]
    left, right = package["items"]
    assert left["subscription_price"] == build_money(900, "9,00 €")
    original = build_money(25000, "250,00 €"), build_money(1000, "10,00 €")
    assert right == build_lens_answer(
        right,
        "right",
        price_with_tax=build_money(20000, "200,00 €"),
        total_with_tax=build_money(20000, "200,00 €"),
        subscription_price=build_money(800, "8,00 €"),
        discount_type="amount",
        discount_amount=build_money(5000, "50,00 €"),
        original_price_with_tax=original[0],
        catalogue_price_with_tax=original[0],
        line_price_with_tax=build_money(20000, "200,00 €"),
        original_subscription_price=original[1],
        catalogue_subscription_price=original[1],
        line_subscription_price=build_money(800, "8,00 €"),
    )
    assert package["price_with_tax"] == build_money(42500, "425,00 €")
    assert package["original_price_with_tax"] == build_money(50000, "500,00 €")
    assert package["subscription_price"] == build_money(1700, "17,00 €")
    assert (package["discount_type"], package["discount_amount"]) == (None, None)
    cart = {"cart_items": demo["cart_items"], "discounts": discounts}
    simulated = send(http, cart, "/api/public/v1/price_simulations").get_json()
    assert simulated["total_with_tax"] == package["total_with_tax"]
    assert simulated["total_subscription_price"] == package["subscription_price"]


def test_a_wrong_discount_is_refused(http: FlaskClient, demo: Any) -> None:
    wrong = [{"code": "kept"}, {"discount_type": "amount", "discount_amount": 1, "reference": "x"}]
    for url in (URL, "/api/public/v1/price_simulations"):
        sent = {**demo, "discounts": wrong}
        if url != URL:
            sent = {"cart_items": demo["cart_items"], "discounts": wrong}
        assert read_violations(send(http, sent, url), 422, "invalid") == [
            ("discounts.1.reference", "Must be the reference of an item that is not a package.")
        ]


def test_boxes_are_handed_over_in_two_calls(
    http: FlaskClient, subscriptions: Served, body: Any, demo: Any
) -> None:
    made = send(http, demo).get_json()
    confirm(subscriptions, made["id"])
    left, right = made["last_persisted_cart"]["cart_items"][0]["items"]
    asked = body("box_deliveries")
    for entry, item in zip(asked["deliveries"], (left, right), strict=True):
        entry["cart_item_reference_uuid"] = item["reference_uuid"]

    def describe(item: Any, eye: str, delivered: int) -> dict[str, Any]:
        changes = {"delivered_boxes": delivered, "remaining_boxes": 4 - delivered}
        whole = build_lens_answer(item, eye, **changes)
        for name in (
            "status",
            "activated_at",
            "product_data",
            "exchange_cycle",
            "cancellation_cost_kept",
            "cancellation_cost_returned",
            *NO_DISCOUNT,
        ):
            del whole[name]
        return whole

    url = f"{URL}/{made['id']}/box_deliveries"
    for delivered in (1, 2):
        answer = send(http, asked, url)
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        assert answer.get_json() == {
            "deliveries": [
                describe(left, "left", delivered),
                describe(right, "right", delivered),
            ]
        }
    asked["deliveries"][0]["quantity"] = 3
    asked["deliveries"][1]["quantity"] = 9
    title = "More boxes than remain in this subscription year."
    assert read_refusal(send(http, asked, url), 422) == {
        "errors": [
            {
                "code": "over_delivery",
                "title": title,
                "cart_item_reference_uuid": item["reference_uuid"],
                "remaining_boxes": 2,
            }
            for item in (left, right)
        ]
    }
    items = get(http, f"{URL}/{made['id']}")["last_persisted_cart"]["cart_items"][0]["items"]
    assert [(each["delivered_boxes"], each["remaining_boxes"]) for each in items] == [(2, 2)] * 2


def test_an_idempotency_key_hands_over_once(
    http: FlaskClient, subscriptions: Served, demo: Any, unique: str
) -> None:
    headers = {**SHOP, "Idempotency-Key": unique}
    created = [send(http, demo, headers=headers) for _ in range(2)]
    assert created[0].data == created[1].data
    assert [each.headers.get("Idempotent-Replayed") for each in created] == [None, "true"]
    made = created[0].get_json()
    confirm(subscriptions, made["id"])
    item = made["last_persisted_cart"]["cart_items"][0]["items"][0]
    entry = {"cart_item_reference_uuid": item["reference_uuid"], "quantity": 1}
    url = f"{URL}/{made['id']}/box_deliveries"
    answers = [send(http, {"deliveries": [entry]}, url, headers) for _ in range(2)]
    assert [answer.get_json()["deliveries"][0]["delivered_boxes"] for answer in answers] == [1, 1]
    assert [each.headers.get("Idempotent-Replayed") for each in answers] == [None, "true"]
    other = send(http, {"deliveries": [{**entry, "quantity": 2}]}, url, headers)
    assert read_violations(other, 422, "invalid") == [
        ("Idempotency-Key", "Was used for another request; use a new key.")
    ]


def test_the_last_item_activates(http: FlaskClient, subscriptions: Served, demo: Any) -> None:
    with subscriptions.clock.at(NOON):
        made = send(http, demo).get_json()
        confirmed = confirm(subscriptions, made["id"])
        whole = made["last_persisted_cart"]["cart_items"][0]
        answers = []
        for item in (*whole["items"], whole):
            url = f"{URL}/{made['id']}/cart_items/{item['reference_uuid']}/activate"
            answer = send(http, {}, url, method="PATCH")
            assert (answer.status_code, answer.content_type) == (200, "application/json")
            answers.append(answer.get_json())
        active: Any = {"status": "active", "activated_at": TOLD}
        before = build_costs((24_000, "240,00 €"), (12_000, "120,00 €"))
        after = build_costs((23_000, "230,00 €"), (11_000, "110,00 €"))
        both = build_costs((46_000, "460,00 €"), (22_000, "220,00 €"))
        first = build_lens_answer(whole["items"][0], "left", **active, **before)
        left = build_lens_answer(whole["items"][0], "left", **active, **after)
        right = build_lens_answer(whole["items"][1], "right", **active, **after)
        package = build_package_answer(whole, **active, **both, items=[left, right])
        assert answers == [first, right, package]
        expected = build_subscription_answer(made, demo["reference"])
        adjusting = ("update_customer_info", "change_graduation", "extend_period")
        actions = dict.fromkeys(
            ("cancel", "withdraw", "add_product", "deliver_boxes", *adjusting), True
        )
        assert get(http, f"{URL}/{made['id']}") == {
            **expected,
            "activated_at": TOLD,
            "confirmed_at": TOLD,
            "renewal_at": "2028-02-29T23:00:00Z",
            "current_month": 1,
            "status": "active",
            "contract_number": confirmed.contract_number,
            "available_actions": {**NO_ACTION, **actions},
            "last_persisted_cart": {**expected["last_persisted_cart"], "cart_items": [package]},
        }


def test_an_activation_needs_no_body(http: FlaskClient, subscriptions: Served, demo: Any) -> None:
    made = send(http, demo).get_json()
    item = made["last_persisted_cart"]["cart_items"][0]
    url = f"{URL}/{made['id']}/cart_items/{item['reference_uuid']}/activate"
    assert read_refusal(http.patch(url, headers=SHOP), 409) == {
        "errors": [
            {"code": "no_confirmed_cart", "title": "The shopper has not confirmed the cart."}
        ]
    }
    confirm(subscriptions, made["id"])
    assert http.patch(url, headers=SHOP).status_code == 200
    wrong = send(http, {"force": True}, url, method="PATCH")
    assert read_violations(wrong, 400, "malformed") == [("force", "Unknown field.")]
    unknown = url.replace(item["reference_uuid"], UNKNOWN)
    assert read_refusal(http.patch(unknown, headers=SHOP), 404) == {
        "errors": [{"code": "not_found", "title": "The subscription has no such item."}]
    }


def test_the_list_has_page_metadata(http: FlaskClient, demo: Any, unique: str) -> None:
    made = [send(http, {**demo, "reference": f"{unique}-{i}"}).get_json() for i in range(3)]
    url = f"{URL}?search={unique}&status=draft,sent&per_page=2"
    meta = {"per_page": 2, "total_count": 3, "total_pages": 2}
    assert get(http, url) == {"meta": {"page": 1, **meta}, "data": [made[2], made[1]]}
    assert get(http, f"{url}&page=2") == {"meta": {"page": 2, **meta}, "data": [made[0]]}
    assert get(http, f"{url}&page=9") == {"meta": {"page": 9, **meta}, "data": []}
    assert get(http, f"{url}&created_at[from]=2020-01-01&created_at[to]=2020-12-31")["data"] == []
    assert len(get(http, f"{url}&created_at=current_year&merchant_id=tienda_moderna")["data"]) == 2
    assert get(http, url, OTHER_MERCHANT)["data"] == []

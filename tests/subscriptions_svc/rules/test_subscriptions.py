"""Requests for lists and deliveries, and the faults of malformed ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from marshmallow import ValidationError

from subscriptions_svc.rules import carts, shoppers, subscriptions
from tests.subscriptions_svc.bodies import (
    TODAY,
    Document,
    build_lens,
    build_package,
    find_shape_faults,
)


def test_meaning_passes_over_what_the_shape_has_refused() -> None:
    document = {
        "merchant": {"id": "m"},
        "date_of_birth": "2999-01-01",
        "cart_items": [
            {"type": "nothing", "price_with_tax": -1},
            build_package(
                build_lens("left", quantity=0),
                build_lens("up"),
                build_lens("left", quantity=2),
                price_with_tax=7,
            ),
            {},
        ],
    }
    with pytest.raises(ValidationError) as refusal:
        subscriptions.CREATE_SUBSCRIPTION.load(document)
    values = refusal.value.valid_data
    assert isinstance(values, dict)
    assert [path for path, _ in shoppers.find_shopper_faults(values, TODAY, "ES")] == [
        "date_of_birth"
    ]
    assert list(shoppers.find_store_faults(values, ())) == []
    assert list(shoppers.find_identity_faults(values, "ES")) == []
    assert [path for path, _ in carts.find_price_faults(values)] == ["cart_items.0.price_with_tax"]
    assert [path for path, _ in carts.find_eye_faults(values)] == [
        "cart_items.1.items.2.quantity",
        "cart_items.1.items.2.product_data.eye",
    ]


def build_deliveries(*entries: Document) -> Document:
    return {"subscription_id": "any text", "deliveries": list(entries)}


def test_the_example_of_deliveries_loads_as_it_is() -> None:
    text = (Path(__file__).parents[3] / "demo" / "box_deliveries.json").read_text(encoding="utf-8")
    document = json.loads(text) | {"subscription_id": "any text"}
    assert subscriptions.CREATE_BOX_DELIVERIES.load(document) == document


@pytest.mark.parametrize(
    ("document", "faulty"),
    [
        (build_deliveries({"cart_item_reference_uuid": "a", "quantity": 1}), []),
        (build_deliveries({"cart_item_reference_uuid": "a", "quantity": 10**6}), []),
        (build_deliveries(*[{"cart_item_reference_uuid": "a", "quantity": 1}] * 2), []),
        (build_deliveries(), ["deliveries"]),
        ({"subscription_id": "x"}, ["deliveries"]),
        ({"deliveries": [{"cart_item_reference_uuid": "a", "quantity": 1}]}, ["subscription_id"]),
        (
            build_deliveries({}),
            ["deliveries.0.cart_item_reference_uuid", "deliveries.0.quantity"],
        ),
        (
            build_deliveries({"cart_item_reference_uuid": " ", "quantity": 0}),
            ["deliveries.0.cart_item_reference_uuid", "deliveries.0.quantity"],
        ),
        (
            build_deliveries(
                {"cart_item_reference_uuid": "a", "quantity": -1},
                {"cart_item_reference_uuid": "a", "quantity": 10**6 + 1},
            ),
            ["deliveries.0.quantity", "deliveries.1.quantity"],
        ),
        (
            build_deliveries(*[{"cart_item_reference_uuid": "a", "quantity": 1}] * 101),
            ["deliveries"],
        ),
    ],
)
def test_deliveries_name_items_and_positive_quantities(
    document: Document, faulty: list[str]
) -> None:
    assert find_shape_faults(document, subscriptions.CREATE_BOX_DELIVERIES) == faulty


def test_a_list_without_filters_is_its_first_page_of_thirty() -> None:
    assert subscriptions.LIST_SUBSCRIPTIONS.load({}) == {"page": 1, "per_page": 30}


def test_a_list_takes_every_filter_at_once() -> None:
    asked = {
        "status": "draft, active",
        "payment_status": "paid",
        "search": "doe",
        "created_at": "current_month",
        "created_at_from": "2026-01-01",
        "created_at_to": "2026-01-31",
        "activated_at": "2024-02-29",
        "activated_at_from": "2026-01-01",
        "activated_at_to": "2026-01-31",
        "merchant_id": "a,b",
        "store_ref": "c",
        "page": 2,
        "per_page": 100,
    }
    assert subscriptions.LIST_SUBSCRIPTIONS.load(asked) == asked | {
        "status": ["draft", "active"],
        "payment_status": ["paid"],
        "merchant_id": ["a", "b"],
        "store_ref": ["c"],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "open"),
        ("status", "draft,,sent"),
        ("status", "draft,open"),
        ("payment_status", "draft"),
        ("created_at", "yesterday"),
        ("created_at", "2025-02-29"),
        ("created_at_from", "current_month"),
        ("created_at_to", "2026-1-1"),
        ("activated_at", "20260101"),
        ("activated_at_from", "x"),
        ("activated_at_to", "2026-04-31"),
        ("merchant_id", ","),
        ("store_ref", "a," * 100 + "a"),
        ("search", "x" * 256),
        ("page", 0),
        ("page", 10**6 + 1),
        ("per_page", 0),
        ("per_page", 101),
    ],
)
def test_a_filter_of_another_form_is_refused(name: str, value: Any) -> None:
    assert find_shape_faults({name: value}, subscriptions.LIST_SUBSCRIPTIONS) == [name]

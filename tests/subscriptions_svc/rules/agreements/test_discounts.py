"""Discounts: what they make of prices, and their faults."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions_svc.rules.agreements.discounts import apply_discounts, find_discount_faults
from subscriptions_svc.rules.carts import find_price_faults
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package

SUN = build_material(quantity=2)
LENSES = build_package(build_lens("left", price_with_tax=25000, subscription_price=1000))
CART = [SUN, LENSES]


def build_values(*discounts: Any, cart: Any = None) -> dict[str, Any]:
    return {"cart_items": CART if cart is None else cart, "discounts": json.dumps(discounts)}


def build_percentage(rate: Any = 1000, **fields: Any) -> dict[str, Any]:
    return {"discount_type": "percentage", "discount_rate": rate, **fields}


def build_amount(amount: Any = 5000, reference: Any = "SUN-1", **fields: Any) -> dict[str, Any]:
    kind = {"discount_type": "amount", "discount_amount": amount, "reference": reference}
    return {**kind, **fields}


def list_prices(values: Any) -> list[tuple[int, int | None]]:
    return [
        (each["price_with_tax"], each.get("subscription_price"))
        for item in apply_discounts(values)
        for each in (item, *item.get("items", ()))
    ]


def test_without_discounts_nothing_changes() -> None:
    assert apply_discounts({"cart_items": CART}) == CART
    for free in ([], [{"code": "WELCOME", "amount": 1.5}, None, 7, ["x"], "y"]):
        assert apply_discounts(build_values(*free)) == CART
        assert list(find_discount_faults(build_values(*free))) == []


def test_a_percentage_lowers_all_prices_or_those_of_a_reference() -> None:
    assert list_prices(build_values(build_percentage())) == [
        (31500, 1312),  # 1458 a month by default, less a tenth, half up
        (22500, None),
        (22500, 900),
    ]
    (sun, lenses) = apply_discounts(build_values(build_percentage(reference="SUN-1")))
    assert sun["original_price_with_tax"], sun["original_subscription_price"] == (35000, 1458)
    assert sun["discount_type"] == "percentage"
    assert lenses == LENSES


def test_an_amount_lowers_the_price_and_the_monthly_one_in_proportion() -> None:
    assert list_prices(build_values(build_amount(7000)))[0] == (28000, 1166)
    assert list_prices(build_values(build_amount(35000)))[0] == (0, 0)
    sun, _ = apply_discounts(build_values(build_amount(1)))
    assert sun["discount_type"] == "amount"


def test_a_package_costs_what_its_items_cost() -> None:
    _, lenses = apply_discounts(build_values(build_amount(5000, "CL-left")))
    assert lenses["price_with_tax"] == 20000
    assert lenses.keys() == LENSES.keys()
    assert list(find_price_faults({"cart_items": [lenses]})) == []


@pytest.mark.parametrize(
    ("discount", "path"),
    [
        (build_percentage(discount_type="bonus"), "0.discount_type"),
        (build_percentage(discount_type=None), "0.discount_type"),
        (build_percentage(discount_type=["percentage"]), "0.discount_type"),
        *((build_percentage(wrong), "0.discount_rate") for wrong in (0, -1, 10001, "9", 1.5, True)),
        (build_percentage(10**30), "0.discount_rate"),
        (build_percentage(None), "0.discount_rate"),
        (build_percentage(reference=7), "0.reference"),
        (build_percentage(reference="UNKNOWN"), "0.reference"),
        (build_percentage(reference="\0"), "0.reference"),
        *((build_amount(wrong), "0.discount_amount") for wrong in (0, 35001, 10**13, None, "1")),
        (build_amount(reference=None), "0.reference"),
        (build_amount(reference="PKG"), "0.reference"),
    ],
    ids=str,
)
def test_faults(discount: Any, path: str) -> None:
    values = build_values({"code": "kept"}, discount)
    faults = [found for found, _ in find_discount_faults(values)]
    assert faults == [f"discounts.{path.replace('0', '1', 1)}"]


def test_an_item_has_one_discount() -> None:
    values = build_values(build_percentage(), build_amount())
    assert [path for path, _ in find_discount_faults(values)] == ["discounts.1"]


def test_a_duplicate_key_is_a_fault() -> None:
    text = '[{"discount_type": "percentage", "discount_rate": 1, "discount_rate": 2}]'
    values = {"cart_items": CART, "discounts": text}
    assert list(find_discount_faults(values)) == [("discounts.0", "A duplicate key.")]


def test_deep_entries_are_refused_and_wide_numbers_kept() -> None:
    values = {"cart_items": CART, "discounts": f"[{'[' * 9000}{']' * 9000}]"}
    assert [path for path, _ in find_discount_faults(values)] == ["discounts"]
    values["discounts"] = f'[{{"of": {"9" * 9000}}}]'
    assert apply_discounts(values) == CART


@given(rate=st.integers(1, 10_000), price=st.integers(0, 10**12), monthly=st.integers(0, 10**12))
def test_a_discounted_price_is_never_above_the_original(
    rate: int, price: int, monthly: int
) -> None:
    cart = [build_material(price_with_tax=price, subscription_price=monthly)]
    ((lowered, lowered_monthly),) = list_prices(build_values(build_percentage(rate), cart=cart))
    assert 0 <= lowered <= price
    assert 0 <= (lowered_monthly or 0) <= monthly

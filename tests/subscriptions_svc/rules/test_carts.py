"""Carts: amounts and eyes."""

import pytest

from subscriptions_svc.rules import carts
from tests.subscriptions_svc.bodies import (
    FIRST_ITEM_PATH,
    LEFT_LENS_PATH,
    build_cart,
    build_lens,
    build_material,
    build_package,
    change_example,
    find_meaning_faults,
)


@pytest.mark.parametrize(
    "path", [f"{FIRST_ITEM_PATH}.price_with_tax", f"{FIRST_ITEM_PATH}.subscription_price"]
)
@pytest.mark.parametrize(
    ("amount", "quantity", "taken"),
    [
        (0, 1, True),
        (-1, 1, False),
        (10**12, 1, True),
        (10**12 + 1, 1, False),
        (10**6, 10**6, True),
        (10**6 + 1, 10**6, False),
        (2**63 - 1, 1, False),
    ],
)
def test_an_amount_is_at_least_zero_and_sane_times_quantity(
    path: str, amount: int, quantity: int, taken: bool
) -> None:
    item = build_material(quantity=quantity, price_with_tax=0) | {path.split(".")[-1]: amount}
    assert find_meaning_faults(build_cart(item)) == ([] if taken else [path])


@pytest.mark.parametrize(
    ("rate", "taken"), [(0, True), (2100, True), (10_000, True), (10_001, False), (-1, False)]
)
def test_a_vat_rate_is_at_most_a_hundred_percent(rate: int, taken: bool) -> None:
    document = build_cart(build_package(build_material(subscription_vat_rate=rate)))
    assert find_meaning_faults(document) == (
        [] if taken else [f"{LEFT_LENS_PATH}.subscription_vat_rate"]
    )


@pytest.mark.parametrize("amount", [49_999, 50_001, 0])
def test_a_package_that_does_not_cost_the_sum_of_its_items_is_refused(amount: int) -> None:
    path = f"{FIRST_ITEM_PATH}.price_with_tax"
    assert find_meaning_faults(change_example(path, amount)) == [path]


def test_quantities_count_in_the_sum_of_a_package_but_its_own_does_not() -> None:
    items = (build_material(quantity=2, price_with_tax=300), build_material(price_with_tax=50))
    assert (
        find_meaning_faults(build_cart(build_package(*items, price_with_tax=650, quantity=3))) == []
    )
    assert find_meaning_faults(build_cart(build_package(*items, price_with_tax=350))) == [
        f"{FIRST_ITEM_PATH}.price_with_tax"
    ]


def test_a_package_costs_at_most_the_bound_a_month_times_its_quantity() -> None:
    item = build_material(price_with_tax=100, subscription_price=10**12)
    assert find_meaning_faults(build_cart(build_package(item, quantity=1))) == []
    assert find_meaning_faults(build_cart(build_package(item, quantity=2))) == [
        f"{FIRST_ITEM_PATH}.items"
    ]


@pytest.mark.parametrize(
    ("eyes", "faulty"),
    [
        (["left"], []),
        (["right"], []),
        (["both"], []),
        (["left", "right"], []),
        (["right", "left"], []),
        (["left", "left"], [1]),
        (["left", "right", "left", "right"], [2, 3]),
        (["both", "both"], [1]),
        (["both", "left"], [0]),
        (["right", "both"], [1]),
        (["left", "right", "both"], [2]),
    ],
)
def test_each_eye_is_covered_once(eyes: list[str], faulty: list[int]) -> None:
    expected = [f"{FIRST_ITEM_PATH}.items.{index}.product_data.eye" for index in faulty]
    assert find_meaning_faults(build_cart(build_package(*map(build_lens, eyes)))) == expected


def test_a_frame_may_stand_beside_lenses_for_both_eyes() -> None:
    assert (
        find_meaning_faults(build_cart(build_package(build_material(), build_lens("both")))) == []
    )


def test_two_packages_may_cover_the_same_eye() -> None:
    assert (
        find_meaning_faults(
            build_cart(build_package(build_lens("left")), build_package(build_lens("left")))
        )
        == []
    )


def test_a_contact_lens_outside_a_package_is_refused() -> None:
    assert find_meaning_faults(build_cart(build_lens("left"))) == [f"{FIRST_ITEM_PATH}.type"]


def test_the_quantity_of_a_contact_lens_is_one() -> None:
    assert find_meaning_faults(
        build_cart(build_package(build_lens("left", quantity=2), build_lens("right")))
    ) == [f"{LEFT_LENS_PATH}.quantity"]
    assert (
        find_meaning_faults(
            build_cart(build_package(build_material(quantity=2)), build_material(quantity=2))
        )
        == []
    )


@pytest.mark.parametrize(
    ("price", "months", "monthly"),
    [(35000, 24, 1458), (12, 24, 1), (11, 24, 0), (36, 24, 2), (0, 24, 0), (25000, 24, 1042)],
)
def test_the_monthly_price_is_rounded_half_up(price: int, months: int, monthly: int) -> None:
    assert carts.compute_subscription_price(price, months) == monthly

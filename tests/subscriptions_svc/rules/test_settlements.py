"""Amounts of carts and settlements: parts add up to the whole, whatever the numbers."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from subscriptions_svc.rules.carts import (
    TOTAL_MONTHS,
    compute_monthly_price,
    compute_subscription_price,
    find_price_faults,
)
from subscriptions_svc.rules.settling.settlements import SettlementItem, compute_costs, settle
from subscriptions_svc.rules.shapes import MAX_ITEMS, MAX_MONEY
from tests.subscriptions_svc.bodies import build_material, build_package

EXACT = 2**53
amounts = st.integers(0, MAX_MONEY)
pieces = st.integers(1, 10**6)


@st.composite
def draw_items(draw: Any) -> dict[str, Any]:
    """Glasses whose amounts are within bounds."""
    quantity = draw(pieces)
    item = build_material(
        quantity=quantity, price_with_tax=draw(st.integers(0, MAX_MONEY // quantity))
    )
    if draw(st.booleans()):
        item["subscription_price"] = draw(st.integers(0, MAX_MONEY // quantity))
    return item


carts = st.lists(
    st.one_of(
        draw_items(),
        st.lists(draw_items(), min_size=1, max_size=4).map(lambda each: build_package(*each)),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(amounts, st.integers(1, 1200))
def test_a_monthly_price_is_the_nearest_and_half_goes_up(price: int, months: int) -> None:
    part = compute_subscription_price(price, months)
    assert 2 * price - months < 2 * part * months <= 2 * price + months


@settings(deadline=None)
@given(carts)
def test_a_package_costs_what_its_items_cost_and_a_cart_what_its_packages_cost(
    cart: list[dict[str, Any]],
) -> None:
    flat = [
        (each, item["quantity"])
        for item in cart
        for each in item.get("items", [{**item, "quantity": 1}])
    ]
    whole = sum(compute_monthly_price(item) * item["quantity"] for item in cart)
    assert whole == sum(
        compute_monthly_price(each) * each["quantity"] * pieces for each, pieces in flat
    )


@settings(deadline=None)
@given(carts)
def test_what_is_accepted_is_exact_as_a_number_of_json(cart: list[dict[str, Any]]) -> None:
    faults = list(find_price_faults({"cart_items": cart}))
    if faults:
        assert {path.rpartition(".")[2] for path, _ in faults} <= {"price_with_tax", "items"}
        return
    most = (
        MAX_ITEMS
        * max(compute_monthly_price(item) * item["quantity"] for item in cart)
        * TOTAL_MONTHS
    )
    assert most + MAX_MONEY < EXACT
    assert MAX_ITEMS * max(item["price_with_tax"] * item["quantity"] for item in cart) < EXACT


@settings(deadline=None)
@given(amounts, st.integers(0, TOTAL_MONTHS))
def test_returning_never_costs_more_than_keeping(price: int, month: int) -> None:
    year = max(1, -(-month // 12))
    found = compute_costs(price, month, year, TOTAL_MONTHS)
    assert 0 <= found.returned <= found.kept == price * (TOTAL_MONTHS - month)
    assert found.returned == price * (12 * year - month)


@settings(deadline=None)
@given(
    st.lists(st.tuples(amounts, st.booleans(), st.booleans()), max_size=8),
    st.integers(0, MAX_MONEY),
    st.integers(1, TOTAL_MONTHS),
)
def test_a_cancellation_is_the_fee_and_the_costs_of_all_items(
    told: list[tuple[int, bool, bool]], fee: int, month: int
) -> None:
    year = -(-month // 12)
    items = [
        SettlementItem(
            str(index),
            None,
            compute_costs(price, month, year, TOTAL_MONTHS) if handed_over else None,
        )
        for index, (price, handed_over, _) in enumerate(told)
    ]
    kept = [str(i) for i, (_, handed_over, keeps) in enumerate(told) if handed_over and keeps]
    returned = [str(i) for i in range(len(told)) if str(i) not in kept]
    total = fee + sum(
        (item.costs.kept if item.reference_uuid in kept else item.costs.returned)
        for item in items
        if item.costs is not None
    )
    summary = {"purchase_fee": fee, "kept_items": kept, "returned_items": returned}
    summary["unopened_items"] = []
    made, faults = settle({**summary, "total_to_pay": total}, items)
    assert faults == []
    assert fee + sum(made.kept.values()) + sum(made.returned.values()) == total
    for wrong in (total - 1, total + 1):
        _, faults = settle({**summary, "total_to_pay": wrong}, items)
        assert [path for path, _ in faults] == ["summary.total_to_pay"]

"""Discounts of a cart: those that are applied, and what they make of its prices.

A solicitation's `discounts` are free JSON. An entry with a `discount_type` is applied to the prices
of items (ours); any other is kept and returned, and applied to nothing. A percentage lowers both
prices by its rate, an amount lowers the price, and the monthly price in proportion. Packages cost
what their items cost.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from optics.fields import ONE_OF
from subscriptions_svc.rules.carts import compute_monthly_price
from subscriptions_svc.rules.shapes import MAX_MONEY, Faults, Values

PERCENTAGE, AMOUNT = "percentage", "amount"
DISCOUNT_TYPES = (PERCENTAGE, AMOUNT)
WHOLE_RATE = 10_000  # hundredths of a percent
MAX_DIGITS = 20  # of a number that is read; int() refuses more than 4,300

Pairs: TypeAlias = tuple[tuple[str, Any], ...]  # of an object, duplicate keys included


class Discount(NamedTuple):
    """An entry that is applied: its place, and its fields as they were sent."""

    path: str
    type: Any
    value: Any  # of the field `value_name`
    reference: Any
    has_duplicates: bool

    @property
    def value_name(self) -> str:
        """The field with its value."""
        return "discount_amount" if self.type == AMOUNT else "discount_rate"


class _Object(tuple[tuple[str, Any], ...]):
    """An object with all its keys, duplicate ones included."""


def _read_integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= MAX_DIGITS else None


_JSON = json.JSONDecoder(parse_int=_read_integer, parse_float=str, object_pairs_hook=_Object)


def read_discounts(values: Values) -> list[Discount]:
    """Return the discounts that are to be applied; `values` have passed their schema."""
    found = []
    for index, entry in enumerate(_JSON.decode(values.get("discounts") or "[]")):
        fields = dict(entry) if isinstance(entry, _Object) else {}
        if "discount_type" not in fields:
            continue
        kind = fields["discount_type"]
        value = fields.get("discount_amount" if kind == AMOUNT else "discount_rate")
        duplicates = len(fields) < len(entry)
        reference = fields.get("reference")
        found.append(Discount(f"discounts.{index}", kind, value, reference, duplicates))
    return found


def find_discount_faults(values: Values) -> Faults:
    """Yield faults of discounts that are to be applied to a cart."""
    cart = values.get("cart_items", ())
    discounted: set[int] = set()
    try:
        discounts = read_discounts(values)
    except RecursionError:
        yield "discounts", "Is nested too deeply."
        return
    for each in discounts:
        faults = list(_find_shape_faults(each))
        yield from faults
        if faults:
            continue
        meant = [item for item in _iterate_leaves(cart) if _is_meant(each, item)]
        if not meant:
            message = "Must be the reference of an item that is not a package."
            yield f"{each.path}.reference", message
        elif each.type == AMOUNT and any(each.value > item["price_with_tax"] for item in meant):
            yield f"{each.path}.discount_amount", "Must be at most the item's price_with_tax."
        if any(id(item) in discounted for item in meant):
            yield each.path, "An item may have one discount."
        discounted.update(id(item) for item in meant)


def _find_shape_faults(discount: Discount) -> Faults:
    if discount.has_duplicates:
        yield discount.path, "A duplicate key."
    if discount.type not in DISCOUNT_TYPES:
        yield f"{discount.path}.discount_type", ONE_OF.format(choices=", ".join(DISCOUNT_TYPES))
        return
    most = MAX_MONEY if discount.type == AMOUNT else WHOLE_RATE
    value, reference = discount.value, discount.reference
    if type(value) is not int or not 1 <= value <= most:
        yield f"{discount.path}.{discount.value_name}", f"Must be an integer from 1 to {most}."
    if not isinstance(reference, str) and (discount.type == AMOUNT or reference is not None):
        yield f"{discount.path}.reference", "Must be the reference of the item that costs less."


def _is_meant(discount: Discount, item: Values) -> bool:
    return discount.reference is None or discount.reference == item.get("reference")


def _iterate_leaves(cart: Iterable[Values]) -> Iterator[Values]:
    for item in cart:
        yield from item.get("items", (item,))


def apply_discounts(values: Values) -> list[dict[str, Any]]:
    """Return the cart without faults, with its prices lowered by its discounts.

    A lowered item has the prices before as `original_price_with_tax` and
    `original_subscription_price`, and its `discount_type`; a package costs the sum of its items.
    """
    discounts = read_discounts(values)
    return [_lower(item, discounts) for item in values["cart_items"]]


def _lower(item: Mapping[str, Any], discounts: Iterable[Discount]) -> dict[str, Any]:
    if "items" in item:
        return _sum_package(item, [_lower(each, discounts) for each in item["items"]])
    discount = next((each for each in discounts if _is_meant(each, item)), None)
    if discount is None:
        return dict(item)
    price, monthly = item["price_with_tax"], compute_monthly_price(item)
    if discount.type == AMOUNT:
        lowered = price - discount.value
        lowered_monthly = _divide_half_up(monthly * lowered, price)
    else:
        left = WHOLE_RATE - discount.value
        lowered = _divide_half_up(price * left, WHOLE_RATE)
        lowered_monthly = _divide_half_up(monthly * left, WHOLE_RATE)
    return {
        **item,
        "price_with_tax": lowered,
        "subscription_price": lowered_monthly,
        "original_price_with_tax": price,
        "original_subscription_price": monthly,
        "discount_type": discount.type,
    }


def _sum_package(package: Mapping[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
    price = sum(each["price_with_tax"] * each["quantity"] for each in items)
    return {**package, "items": items, "price_with_tax": price}


def _divide_half_up(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)

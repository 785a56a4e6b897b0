"""Estimates: whether a shopper would be accepted, and what a cart would cost. Nothing is kept."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from marshmallow import Schema
from marshmallow.fields import List, Nested, String

from optics.fields import at_most, parse_day
from subscriptions_svc.rules.carts import CartItemSchema, compute_monthly_price
from subscriptions_svc.rules.shapes import (
    FILLED_LIST,
    FILLED_TEXT,
    MAX_DISCOUNTS_LENGTH,
    SHORT_TEXT,
    Values,
    check_json_array,
)
from subscriptions_svc.rules.shoppers import is_adult


class PreApprovalMerchantSchema(Schema):
    """A merchant and one of its stores."""

    reference = String(required=True, validate=FILLED_TEXT)
    store_ref = String(required=True, validate=FILLED_TEXT)


class ShopperSchema(Schema):
    """A person who would subscribe."""

    given_names = String(validate=SHORT_TEXT)
    surnames = String(validate=SHORT_TEXT)
    nin = String(required=True, validate=FILLED_TEXT)
    email = String(validate=SHORT_TEXT)
    mobile_phone = String(validate=SHORT_TEXT)
    date_of_birth = String(required=True, validate=FILLED_TEXT)


class CreatePreApprovalSchema(Schema):
    """A merchant that asks, and the shopper in question."""

    merchant = Nested(PreApprovalMerchantSchema, required=True)
    shopper = Nested(ShopperSchema, required=True)


class CreatePriceSimulationSchema(Schema):
    """A cart to be priced."""

    merchant_id = String(validate=FILLED_TEXT)
    cart_items = List(Nested(CartItemSchema), required=True, validate=FILLED_LIST)
    discounts = String(validate=(at_most(MAX_DISCOUNTS_LENGTH), check_json_array))


CREATE_PRE_APPROVAL = CreatePreApprovalSchema()
CREATE_PRICE_SIMULATION = CreatePriceSimulationSchema()


class Credit(NamedTuple):
    """What a merchant has seen of a shopper: its limit, what is owed, and failed payments."""

    amount_limit: int
    owed: int
    failed_payments: int


def compute_approved_amount(credit: Credit, date_of_birth: str, today: date) -> int:
    """Return the amount up to which a shopper would be accepted, in minor units; 0 for a refusal.

    Accepted is an adult without a failed payment, up to what is left of the merchant's limit.
    """
    born = parse_day(date_of_birth)
    if born is None or not is_adult(born, today) or credit.failed_payments:
        return 0
    return max(0, credit.amount_limit - credit.owed)


def compute_item_prices(item: Values) -> dict[str, int]:
    """Return what an item of a cart costs, once and a month, of one piece and of all pieces."""
    price = compute_monthly_price(item)
    return {
        "price_with_tax": item["price_with_tax"],
        "total_with_tax": item["price_with_tax"] * item["quantity"],
        "subscription_price": price,
        "total_subscription_price": price * item["quantity"],
    }


def compute_cart_totals(cart: Iterable[Values]) -> dict[str, int]:
    """Return what a cart costs, once and a month."""
    prices = [compute_item_prices(item) for item in cart]
    names = ("total_with_tax", "total_subscription_price")
    return {name: sum(each[name] for each in prices) for name in names}

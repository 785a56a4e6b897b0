"""Estimates as shops see them: pre-approvals and price simulations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.context import get_caller
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.money import build_money
from subscriptions_svc.rules.agreements.discounts import apply_discounts, find_discount_faults
from subscriptions_svc.rules.carts import TOTAL_MONTHS, find_eye_faults, find_price_faults
from subscriptions_svc.rules.settling.estimates import (
    compute_approved_amount,
    compute_cart_totals,
    compute_item_prices,
)
from subscriptions_svc.rules.shoppers import (
    find_identity_faults,
    find_shopper_faults,
    find_store_faults,
)
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.merchants import find_own_merchant, list_merchants, list_store_refs
from subscriptions_svc.store.subscriptions import find_credit


def estimate_pre_approval(
    tx: Connection, values: Mapping[str, Any], now: datetime
) -> pb.PreApproval:
    """Return whether a shopper would be accepted; raises Unauthenticated, or Invalid."""
    merchant, shopper = find_own_merchant(tx, values["merchant"]["reference"]), values["shopper"]
    today = to_local_day(now, ZoneInfo(merchant.time_zone))
    shopper_faults = (
        *find_shopper_faults(shopper, today, merchant.country),
        *find_identity_faults(shopper, merchant.country),
    )
    refuse(
        find_store_faults(values, list_store_refs(tx, merchant.id)),
        ((f"shopper.{path}", message) for path, message in shopper_faults),
    )
    credit = find_credit(tx, merchant, shopper["nin"], now)
    approved_amount = compute_approved_amount(credit, shopper["date_of_birth"], today)
    return build_pre_approval(merchant, approved_amount)


def simulate_price(tx: Connection, values: Mapping[str, Any]) -> pb.PriceSimulation:
    """Return what a cart would cost; raises Unauthenticated, or Invalid."""
    merchant = _find_merchant(tx, values)
    refuse(find_price_faults(values), find_eye_faults(values), find_discount_faults(values))
    return build_price_simulation(merchant, apply_discounts(values))


def _find_merchant(tx: Connection, values: Mapping[str, Any]) -> Row[Any]:
    if "merchant_id" in values:
        return find_own_merchant(tx, values["merchant_id"])
    merchants = list_merchants(tx, get_caller())
    if len(merchants) != 1:
        refuse([("merchant_id", "Required of an account that acts for several merchants.")])
    return merchants[0]


def build_pre_approval(merchant: Row[Any], approved_amount: int) -> pb.PreApproval:
    """Return whether a shopper would be accepted, and up to which amount."""
    limit = build_money(merchant, {"amount_limit": approved_amount})
    return pb.PreApproval(approved=approved_amount > 0, **limit)


def build_price_simulation(
    merchant: Row[Any], cart: Sequence[Mapping[str, Any]]
) -> pb.PriceSimulation:
    """Return what a cart would cost in the merchant's currency."""
    return pb.PriceSimulation(
        cart_items=[_build_item(merchant, item) for item in cart],
        total_months=TOTAL_MONTHS,
        **build_money(merchant, compute_cart_totals(cart)),
    )


def _build_item(merchant: Row[Any], item: Mapping[str, Any]) -> pb.SimulatedItem:
    return pb.SimulatedItem(
        type=item["type"],
        reference=item.get("reference"),
        name=item["name"],
        quantity=item["quantity"],
        items=[_build_item(merchant, each) for each in item.get("items", ())],
        **build_money(merchant, compute_item_prices(item)),
    )

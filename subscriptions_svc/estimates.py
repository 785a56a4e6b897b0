"""What would be: a shopper's approval, and the price of a cart. Nothing of it is kept."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, func, select

from chassis.context import caller
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc import merchants, rules, rules_cart
from subscriptions_svc.cart_documents import money
from subscriptions_svc.rules_cart import TOTAL_MONTHS, monthly
from subscriptions_svc.rules_shapes import parsed_day
from subscriptions_svc.store import STATUS, cart_items, subscriptions
from subscriptions_svc.years import local_day

_OF_SHOPPER = (
    subscriptions.c.merchant_id == bindparam("of_merchant"),
    subscriptions.c.nin == bindparam("of_nin"),
)
_FAILED = (
    select(func.count())
    .select_from(subscriptions)
    .where(*_OF_SHOPPER, subscriptions.c.payment_status == rules.PaymentStatus.FAILED.value)
)
_OWED = (
    select(func.coalesce(func.sum(cart_items.c.price_with_tax * cart_items.c.quantity), 0))
    .join(subscriptions)
    .where(
        *_OF_SHOPPER,
        STATUS.in_([status.value for status in rules.LIVE]),
        cart_items.c.parent_id.is_(None),
        cart_items.c.removed_in.is_(None),
    )
)


def pre_approval(tx: Connection, values: Mapping[str, Any], now: datetime) -> pb.PreApproval:
    """Whether a shopper would be accepted; raises Unauthenticated for the merchant, or Invalid."""
    merchant, shopper = merchants.own(tx, values["merchant"]["reference"]), values["shopper"]
    today = local_day(now, ZoneInfo(merchant.time_zone))
    of_shopper = (
        *rules.shopper_faults(shopper, today),
        *rules.identity_faults(shopper, merchant.country),
    )
    refuse(
        rules.store_faults(values, merchants.store_refs(tx, merchant.id)),
        ((f"shopper.{path}", message) for path, message in of_shopper),
    )
    key = {"of_merchant": merchant.id, "of_nin": rules.bare_nin(shopper["nin"]), "now": now}
    left = merchant.amount_limit - int(tx.execute(_OWED, key).scalar_one())
    born = parsed_day(shopper["date_of_birth"])
    failed: int = tx.execute(_FAILED, key).scalar_one()
    approved = born is not None and rules.is_adult(born, today) and not failed and left > 0
    limit = money(merchant, {"amount_limit": left if approved else 0})
    return pb.PreApproval(approved=approved, **limit)


def price_simulation(tx: Connection, values: Mapping[str, Any]) -> pb.PriceSimulation:
    """What a cart would cost; raises Unauthenticated for the merchant, or Invalid."""
    merchant = _merchant(tx, values)
    refuse(rules_cart.price_faults(values), rules_cart.eye_faults(values))
    cart = values["cart_items"]
    totals = {
        "total_with_tax": sum(item["price_with_tax"] * item["quantity"] for item in cart),
        "total_subscription_price": sum(monthly(item) * item["quantity"] for item in cart),
    }
    return pb.PriceSimulation(
        cart_items=[_simulated(merchant, item) for item in cart],
        total_months=TOTAL_MONTHS,
        **money(merchant, totals),
    )


def _merchant(tx: Connection, values: Mapping[str, Any]) -> Row[Any]:
    if "merchant_id" in values:
        return merchants.own(tx, values["merchant_id"])
    own = merchants.of(tx, caller())
    if len(own) != 1:
        refuse([("merchant_id", "Required of an account that acts for several merchants.")])
    return own[0]


def _simulated(merchant: Row[Any], item: Mapping[str, Any]) -> pb.SimulatedItem:
    price = monthly(item)
    amounts = {
        "price_with_tax": item["price_with_tax"],
        "total_with_tax": item["price_with_tax"] * item["quantity"],
        "subscription_price": price,
        "total_subscription_price": price * item["quantity"],
    }
    return pb.SimulatedItem(
        type=item["type"],
        reference=item.get("reference"),
        name=item["name"],
        quantity=item["quantity"],
        items=[_simulated(merchant, each) for each in item.get("items", ())],
        **money(merchant, amounts),
    )

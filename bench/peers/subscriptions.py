"""A subscription as shops see it, with Optigate's own arithmetic of money and dates."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session, joinedload

from bench.peers.orders import find_account
from bench.peers.refusals import build_subscriptions_error
from bench.peers.tables import Account, AccountMerchant, CartItem, Merchant, Subscription
from subscriptions_svc.documents.money import format_money
from subscriptions_svc.rules import years
from subscriptions_svc.rules.available_actions import State, find_available_actions
from subscriptions_svc.rules.carts import CONTACT_LENS, PACKAGE
from subscriptions_svc.rules.settling.settlements import (
    BREAKAGE_MONTHS,
    LOSS_MONTHS,
    Costs,
    compute_costs,
)
from subscriptions_svc.rules.settling.withdrawals import DEFAULT_WITHDRAWAL_DAYS, Progress
from subscriptions_svc.rules.statuses import PaymentStatus, Status

_SUBSCRIPTION = (
    select(
        Subscription,
        exists().where(
            AccountMerchant.account_id == bindparam("account_id"),
            AccountMerchant.merchant_id == Subscription.merchant_id,
        ),
    )
    .where(Subscription.id == bindparam("subscription_id"))
    .options(
        joinedload(Subscription.merchant, innerjoin=True),
        joinedload(Subscription.items).joinedload(CartItem.counters),
    )
)


def authenticate_basic(session: Session, authorization: str) -> Account:
    """Return the account of an HTTP Basic header; raise 401."""
    scheme, _, packed = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise build_subscriptions_error(401) from None
    account = find_account(session, name, secret) if scheme.lower() == "basic" else None
    if account is None:
        raise build_subscriptions_error(401)
    return account


def read_subscription(session: Session, account: Account, subscription_id: str) -> dict[str, Any]:
    """Return a subscription with its items, counters and amounts; raise 404 or 401."""
    key = {"account_id": account.id, "subscription_id": subscription_id}
    found = session.execute(_SUBSCRIPTION, key).unique().first()
    if found is None:
        raise build_subscriptions_error(404)
    subscription, is_own = found
    if not is_own:
        raise build_subscriptions_error(401)
    return _build_document(subscription, datetime.now(UTC))


def _build_document(subscription: Subscription, now: datetime) -> dict[str, Any]:
    merchant, items = subscription.merchant, subscription.items
    zone, months = ZoneInfo(merchant.time_zone), subscription.total_months
    activated_at, status = subscription.activated_at, _find_status(subscription, now)
    year = years.compute_year(activated_at, now, zone)
    month = years.compute_month(activated_at, now, zone, months)
    boxes = {each.id: _count_boxes(each, year, zone) for each in items if each.type == CONTACT_LENS}
    deliveries = [each.last_delivery for each in boxes.values() if each.last_delivery]
    has_ended = status in (Status.CANCELLED, Status.FINISHED)
    due = years.compute_next_delivery_date(
        list(boxes.values()), activated_at, now, zone, months, ended=has_ended
    )
    return {
        "id": subscription.id,
        "created_at": subscription.created_at,
        "activated_at": activated_at,
        "renewal_at": subscription.renewal_at,
        "confirmed_at": subscription.confirmed_at,
        "current_month": month,
        "total_months": months,
        "customer": _build_customer(subscription),
        "status": status.value,
        "payment_status": subscription.payment_status,
        "reference": subscription.reference,
        "contract_number": subscription.contract_number,
        "discounts": None,
        "gift_kits_remaining": 0,
        "gift_kits_delivered": 0,
        "credit_card": None,
        "credit_card_type": None,
        "last_delivery_date": max(deliveries).isoformat() if deliveries else None,
        "next_delivery_date": due.isoformat() if due else None,
        "available_actions": find_available_actions(_build_state(subscription, status, boxes), now),
        "last_persisted_cart": {
            "id": subscription.cart_id,
            "reference": subscription.reference,
            "code": subscription.cart_code,
            "cart_items": _Cart(items, boxes, merchant, month, year, months).list_inside(None),
        },
        "pending_cart": None,
    }


def _find_status(subscription: Subscription, now: datetime) -> Status:
    status, renewal_at = Status(subscription.status), subscription.renewal_at
    if status is Status.ACTIVE and renewal_at is not None and renewal_at <= now:
        return Status.FINISHED
    return status


def _build_customer(subscription: Subscription) -> dict[str, Any]:
    names = [name for name in (subscription.given_names, subscription.surnames) if name]
    return {
        "given_names": subscription.given_names,
        "surnames": subscription.surnames,
        "email": subscription.email,
        "phone": subscription.mobile_phone,
        "full_name": " ".join(names) or None,
    }


def _build_state(
    subscription: Subscription, status: Status, boxes: dict[str, years.Boxes]
) -> State:
    items = subscription.items
    handed_over = [each.activated_at for each in items if each.activated_at is not None]
    delivered = [each.last_delivered_at for item in items for each in item.counters]
    first = min(handed_over + delivered, default=None)
    return State(
        status,
        Progress(subscription.confirmed_at, first, DEFAULT_WITHDRAWAL_DAYS),
        payment_status=PaymentStatus(subscription.payment_status),
        country=subscription.merchant.country,
        email=subscription.email,
        has_phone=bool(subscription.mobile_phone),
        email_count=0,
        sms_count=0,
        sms_resets=0,
        renewal_months=0,
        has_lenses=bool(boxes),
        has_pending_cart=False,
        has_room=True,
        exchangeable_items=0,
        pending_items=sum(each.activated_at is None for each in items),
        active_materials=sum(
            each.activated_at is not None and each.type not in (CONTACT_LENS, PACKAGE)
            for each in items
        ),
        remaining_boxes=sum(each.box_count - each.delivered_boxes for each in boxes.values()),
    )


def _count_boxes(item: CartItem, year: int, zone: ZoneInfo) -> years.Boxes:
    delivered = sum(each.delivered for each in item.counters if each.year == year)
    last = max((each.last_delivered_at for each in item.counters), default=None)
    return years.Boxes(item.box_count or 0, delivered, last and years.to_local_day(last, zone))


# Of an item without a discount they are 0.
PRICES_OF_DISCOUNTS = tuple(
    f"{of}_{price}"
    for of in ("original", "catalogue", "line")
    for price in ("price_with_tax", "subscription_price")
)


@dataclass
class _Cart:
    """What the documents of the items in a cart depend on."""

    items: Sequence[CartItem]
    boxes: dict[str, years.Boxes]
    merchant: Merchant
    month: int
    year: int
    months: int

    def build_money(self, value: int) -> dict[str, Any]:
        string = format_money(value, self.merchant.locale, self.merchant.currency)
        return {"value": value, "string": string}

    def compute_costs(self, item: CartItem, packages: int) -> Costs:
        """Return what ending costs for an item that was handed over."""
        if item.activated_at is None:
            return Costs(0, 0)
        monthly = item.subscription_price * item.quantity * packages
        return compute_costs(monthly, self.month, self.year, self.months)

    def list_inside(self, package: CartItem | None) -> list[dict[str, Any]]:
        """Return the items of a package, or those in none."""
        parent = package and package.id
        return [
            self.build_document(item, package) for item in self.items if item.parent_id == parent
        ]

    def build_document(self, item: CartItem, package: CartItem | None) -> dict[str, Any]:
        leaves, packages = [item], package.quantity if package else 1
        if item.type == PACKAGE:
            leaves = [each for each in self.items if each.parent_id == item.id]
            packages = item.quantity
        ending = [self.compute_costs(each, packages) for each in leaves]
        document: dict[str, Any] = {
            "id": item.id,
            "type": item.type,
            "reference": item.reference,
            "reference_uuid": item.reference_uuid,
            "name": item.name,
            "price_with_tax": self.build_money(item.price_with_tax),
            "quantity": item.quantity,
            "total_with_tax": self.build_money(item.price_with_tax * item.quantity),
            "subscription_price": self.build_money(item.subscription_price),
            "cancellation_cost_kept": self.build_money(sum(each.kept for each in ending)),
            "cancellation_cost_returned": self.build_money(sum(each.returned for each in ending)),
            "status": "pending" if item.activated_at is None else "active",
            "activated_at": item.activated_at,
            "discount_type": None,
            "discount_amount": None,
            **{name: self.build_money(0) for name in PRICES_OF_DISCOUNTS},
        }
        if all(each.type != CONTACT_LENS for each in leaves):
            price = item.subscription_price
            document["warranty_breakage_cost"] = self.build_money(price * BREAKAGE_MONTHS)
            document["warranty_lost_cost"] = self.build_money(price * LOSS_MONTHS)
        if item.type == PACKAGE:
            document["items"] = self.list_inside(item)
        if item.type == CONTACT_LENS:
            counted = self.boxes[item.id]
            document |= {
                "product_data": {"eye": item.eye},
                "box_count": item.box_count,
                "exchange_cycle": item.exchange_cycle,
                "delivered_boxes": counted.delivered_boxes,
                "remaining_boxes": counted.box_count - counted.delivered_boxes,
            }
        return document

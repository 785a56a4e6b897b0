"""Carts as their shoppers see them, on the page behind a link."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.carts import list_pending_items
from subscriptions_svc.documents.money import build_money
from subscriptions_svc.rules.carts import CONTACT_LENS
from subscriptions_svc.rules.statuses import LIVE, UNCONFIRMED, Status
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.views import View


def find_state(view: View, code: str) -> str:
    """Return the state of the cart with this code: see ShopperCart."""
    if view.status not in LIVE:
        return "ended"
    if code == view.row.pending_code:
        return "change"
    if view.status is Status.WAITING_FOR_PAYMENT:
        return "waiting_for_payment"
    return "open" if view.status in UNCONFIRMED else "confirmed"


def build_shopper_cart(view: View, code: str) -> pb.ShopperCart:
    """Return the cart with this code, a proposed change beside the cart in force."""
    row = view.row
    cart = pb.ShopperCart(
        state=find_state(view, code),
        shop=row.shop,
        locale=row.locale,
        terms_url=row.terms_url,
        currency=row.currency,
        phone=row.shop_phone,
        email=row.shop_email,
        given_names=row.given_names,
        total_months=view.total_months,
        renewal_months=sum(view.term) - view.total_months,
        confirmed_on=_format_day(view, row.confirmed_at),
        contract_number=row.contract_number,
        ends_on=_format_day(view, view.renewal_at),
    )
    if cart.state == "change":
        after = list_pending_items(view)
        cart.items.extend(_build_items(row, after, view.by_id))
        cart.items_before.extend(_build_items(row, view.items, {item.id for item in after}))
        cart.monthly_before.CopyFrom(_build_monthly_price(row, view.items))
        cart.monthly.CopyFrom(_build_monthly_price(row, after))
        if (term := view.find_extended_term()) != view.term:
            cart.total_months, cart.renewal_months = term
            cart.extension_months = term.total_months - view.total_months
    else:
        cart.items.extend(_build_items(row, view.items, view.by_id))
        cart.monthly.CopyFrom(_build_monthly_price(row, view.items))
    return cart


def _format_day(view: View, instant: datetime | None) -> str | None:
    """Return the day of an instant in the merchant's time zone."""
    return None if instant is None else to_local_day(instant, view.tz).isoformat()


def _build_items(merchant: Any, rows: Iterable[Any], kept: Collection[str]) -> list[pb.ShopperItem]:
    """Return items in their order, those of a package inside it, with the changing ones marked."""
    outer: list[pb.ShopperItem] = []
    by_id: dict[str, pb.ShopperItem] = {}
    for row in rows:
        item = pb.ShopperItem(
            name=row.name,
            quantity=row.quantity,
            changes=row.id not in kept,
            **build_money(merchant, {"monthly": row.subscription_price * row.quantity}),
        )
        if row.type == CONTACT_LENS:
            item.eye, item.boxes_a_year = row.eye, row.box_count
        if row.parent_id in by_id:
            by_id[row.parent_id].items.append(item)
            by_id[row.id] = by_id[row.parent_id].items[-1]
        else:
            outer.append(item)
            by_id[row.id] = item
    return outer


def _build_monthly_price(merchant: Any, rows: Iterable[Any]) -> pb.Money:
    """Return what a cart costs a month; its packages cost the sum over their items."""
    total = sum(row.subscription_price * row.quantity for row in rows if row.parent_id is None)
    price: pb.Money = build_money(merchant, {"total": total})["total"]
    return price

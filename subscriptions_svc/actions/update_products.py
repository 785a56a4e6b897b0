"""UpdateProducts: proposes a whole new cart for an active subscription."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.notices.phrases import describe_update
from subscriptions_svc.rules.carts import (
    PACKAGE,
    find_eye_faults,
    find_lens_faults,
    find_price_faults,
)
from subscriptions_svc.rules.changes import find_change_faults, find_kept_item_faults, merge_cart
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.pending_carts import propose_cart
from subscriptions_svc.store.views import View, ensure_active, ensure_exchangeable, read_view

# Fields that an item of the cart has in common with a new one.
_COMMON_FIELDS = (
    "type",
    "reference",
    "name",
    "quantity",
    "price_with_tax",
    "subscription_price",
    "subscription_vat_rate",
    "box_count",
    "exchange_cycle",
)


def update_products(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> pb.UpdateProductsResponse:
    """Let a new cart wait for the shopper; raises WrongState or Invalid when it is not allowed.

    The caller holds the subscription's lock.
    """
    view, proposed = read_view(tx, subscription, now), values["cart_items"]
    ensure_active(view)
    items = _describe_items(view)
    parents = {item.id: item.parent_id for item in view.items}
    refuse(find_kept_item_faults(values, items, parents))
    cart = merge_cart(proposed, items)
    kept = set(_list_kept_ids(cart))
    whole = {"cart_items": cart}
    refuse(
        find_price_faults(whole),
        find_eye_faults(whole),
        find_lens_faults({"cart_items": proposed}, to_local_day(now, view.tz)),
        find_change_faults(proposed, kept, items),
    )
    ensure_exchangeable(view, kept)
    propose_cart(tx, subscription, cart, now)
    message = describe_update(subscription.locale)
    return pb.UpdateProductsResponse(success=True, message=message)


def _describe_items(view: View) -> dict[str, dict[str, Any]]:
    """Return the items of the cart in force as requests describe them, by id, with their id."""
    described: dict[str, dict[str, Any]] = {}
    for row in view.items:
        item = {name: getattr(row, name) for name in _COMMON_FIELDS}
        item = {"id": row.id} | {name: value for name, value in item.items() if value is not None}
        if row.eye is not None:
            item["product_data"] = {"eye": row.eye}
        if row.type == PACKAGE:
            item["items"] = []
        described[row.id] = item
        if row.parent_id is not None:
            described[row.parent_id]["items"].append(item)
    return described


def _list_kept_ids(cart: list[dict[str, Any]]) -> list[str]:
    """Return the ids of a cart's kept items, including those inside packages."""
    inside = [id_ for item in cart for id_ in _list_kept_ids(item.get("items", []))]
    return [item["id"] for item in cart if "id" in item] + inside

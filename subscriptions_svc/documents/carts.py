"""Carts as shops see them: the cart in force, the pending one, and their items."""

from collections.abc import MutableSequence, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.money import make_money, to_timestamp
from subscriptions_svc.documents.prescriptions import build_prescription
from subscriptions_svc.rules.carts import CONTACT_LENS, PACKAGE
from subscriptions_svc.rules.settling.settlements import BREAKAGE_MONTHS, LOSS_MONTHS, Costs
from subscriptions_svc.store.cart_items import DISCOUNT_COLUMNS
from subscriptions_svc.store.views import View

_UNDISCOUNTED = (
    "original_price_with_tax",
    "original_subscription_price",
    "catalogue_price_with_tax",
    "catalogue_subscription_price",
    "line_price_with_tax",
    "line_subscription_price",
)


def fill_cart(cart: pb.Cart, view: View) -> None:
    """Fill in the cart in force."""
    row = view.row
    cart.id, cart.reference, cart.code = row.cart_id, row.reference, row.cart_code
    add_items(cart.cart_items, view, view.items)


def fill_pending_cart(cart: pb.Cart, view: View) -> None:
    """Fill in the pending cart."""
    row = view.row
    cart.id, cart.reference, cart.code = row.pending_id, row.reference, row.pending_code
    add_items(cart.cart_items, view, list_pending_items(view))


def list_pending_items(view: View) -> list[Any]:
    """Return the items of the pending cart in its order: kept rows, and rows of new items."""
    items: list[Any] = []
    for row in view.row.pending_items:
        if "type" in row:
            # A cart that was proposed before there were discounts has none of their columns.
            columns = {**dict.fromkeys(DISCOUNT_COLUMNS), **row, "activated_at": None}
            items.append(SimpleNamespace(**columns))
        elif row["id"] in view.by_id:
            kept = view.by_id[row["id"]]
            items.append(SimpleNamespace(**{**kept._mapping, "parent_id": row["parent_id"]}))
    return items


def build_cart_item(view: View, item_id: str) -> pb.CartItem:
    """Return one item of the cart in force, with what is inside it, without prescriptions.

    As an answer it is kept for its idempotency key, where no erasure finds it.
    """
    rows = [item for item in view.items if item_id in (item.id, item.parent_id)]
    cart = pb.Cart()
    add_items(cart.cart_items, view, rows)
    found = cart.cart_items[0]
    for each in (found, *found.items):
        each.ClearField("prescription")
    return found


def add_items(items: MutableSequence[pb.CartItem], view: View, rows: Sequence[Any]) -> None:
    """Add items in their order, those of a package inside it.

    Each is made where it stays: a message that another one takes in is copied.
    """
    by_id: dict[str, pb.CartItem] = {}
    parts: dict[str, list[Any]] = {}
    for row in rows:
        parts.setdefault(row.parent_id, []).append(row)
    for row in rows:
        around: Any = by_id[row.parent_id].items if row.parent_id in by_id else items
        by_id[row.id] = _add_item(around, view, row, parts.get(row.id, []))


def _add_item(items: Any, view: View, row: Any, parts: list[Any]) -> pb.CartItem:
    leaves = parts if row.type == PACKAGE else [row]
    amounts = list_prices(row) | _list_costs(view, row, leaves)
    amounts |= list_undiscounted_prices(row, leaves)
    item: pb.CartItem = items.add(
        id=row.id,
        type=row.type,
        reference=row.reference,
        reference_uuid=row.reference_uuid,
        name=row.name,
        quantity=row.quantity,
        status="active" if row.activated_at else "pending",
        activated_at=to_timestamp(row.activated_at),
        subscription_vat_rate=row.subscription_vat_rate,
        discount_type=row.discount_type,
    )
    item.MergeFromString(_price_item(view.row.locale, view.row.currency, tuple(amounts.items())))
    if row.type == CONTACT_LENS:
        delivered = view.find_tally(row).delivered
        item.product_data.eye = row.eye
        item.box_count = row.box_count
        item.exchange_cycle = row.exchange_cycle
        item.delivered_boxes = delivered
        item.remaining_boxes = max(0, row.box_count - delivered)
        if on_file := view.find_on_file(row):
            item.prescription.CopyFrom(build_prescription(view, row, on_file))
    return item


@lru_cache(maxsize=1024)
def _price_item(locale: str, currency: str, amounts: tuple[tuple[str, int], ...]) -> bytes:
    """Return an item with these amounts only, serialised: to set them takes three times as long."""
    money: dict[str, Any] = {name: make_money(each, locale, currency) for name, each in amounts}
    return pb.CartItem(**money).SerializeToString()


def list_prices(item: Any) -> dict[str, int]:
    """Return the prices of an item, once and a month."""
    return {
        "price_with_tax": item.price_with_tax,
        "total_with_tax": item.price_with_tax * item.quantity,
        "subscription_price": item.subscription_price,
    }


def list_undiscounted_prices(item: Any, leaves: list[Any]) -> dict[str, int]:
    """Return the prices before a discount, the amount of the discount, and what all pieces cost.

    As in the source's example, all but the amount are 0 without a discount; a package has them
    once any of its items does. There is no catalogue: its prices are the original ones (ours).
    """
    if all(each.discount_type is None for each in leaves):
        return dict.fromkeys(_UNDISCOUNTED, 0)
    price, monthly = _sum_original_prices(item, leaves)
    amounts = {
        "original_price_with_tax": price,
        "original_subscription_price": monthly,
        "catalogue_price_with_tax": price,
        "catalogue_subscription_price": monthly,
        "line_price_with_tax": item.price_with_tax * item.quantity,
        "line_subscription_price": item.subscription_price * item.quantity,
    }
    if item.discount_type is not None:
        amounts["discount_amount"] = price - item.price_with_tax
    return amounts


def _sum_original_prices(item: Any, leaves: list[Any]) -> tuple[int, int]:
    """Return what one piece of an item cost before the discounts of its leaves."""
    price, monthly = item.price_with_tax, item.subscription_price
    for leaf in leaves:
        if leaf.discount_type is not None:
            pieces = leaf.quantity if leaf is not item else 1
            price += (leaf.original_price_with_tax - leaf.price_with_tax) * pieces
            monthly += (leaf.original_subscription_price - leaf.subscription_price) * pieces
    return price, monthly


def _list_costs(view: View, row: Any, leaves: list[Any]) -> dict[str, int]:
    costs = [view.compute_costs(leaf) or Costs(0, 0) for leaf in leaves]
    amounts = {
        "cancellation_cost_kept": sum(each.kept for each in costs),
        "cancellation_cost_returned": sum(each.returned for each in costs),
    }
    if all(leaf.type != CONTACT_LENS for leaf in leaves):
        amounts["warranty_breakage_cost"] = row.subscription_price * BREAKAGE_MONTHS
        amounts["warranty_lost_cost"] = row.subscription_price * LOSS_MONTHS
    return amounts

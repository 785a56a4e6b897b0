"""What shops and shoppers see of a cart: the one in force, the one that pends, and their items."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.money import money_string
from subscriptions_svc.rules.carts import CONTACT_LENS, PACKAGE
from subscriptions_svc.rules.settlements import BREAKAGE_MONTHS, LOSS_MONTHS, Costs
from subscriptions_svc.store.views import View

EPOCH, MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def cart(view: View) -> pb.Cart:
    """The cart in force."""
    row = view.row
    return pb.Cart(
        id=row.cart_id,
        reference=row.reference,
        code=row.cart_code,
        cart_items=items(view, view.items),
    )


def pending_cart(view: View) -> pb.Cart | None:
    """The cart that waits for the shopper, if one does."""
    row = view.row
    if row.pending_id is None:
        return None
    return pb.Cart(
        id=row.pending_id,
        reference=row.reference,
        code=row.pending_code,
        cart_items=items(view, pending_items(view)),
    )


def pending_items(view: View) -> Iterable[Any]:
    """What stays, and rows of what would be new, in the order of the new cart."""
    for row in view.row.pending_items:
        if "type" in row:
            yield SimpleNamespace(**row, activated_at=None)
        elif row["id"] in view.by_id:
            kept = view.by_id[row["id"]]
            yield SimpleNamespace(**{**kept._mapping, "parent_id": row["parent_id"]})


def items(view: View, rows: Iterable[Any]) -> list[pb.CartItem]:
    """Items in their order, those of a package inside it; the first is in none."""
    outer: list[pb.CartItem] = []
    packages: dict[str, pb.CartItem] = {}
    inside: dict[str, list[Any]] = {}
    rows = list(rows)
    for row in rows:
        inside.setdefault(row.parent_id, []).append(row)
    for row in rows:
        made = packages[row.id] = _item(view, row, inside.get(row.id, []))
        if row.parent_id in packages:
            packages[row.parent_id].items.append(made)
        else:
            outer.append(made)
    return outer


def _item(view: View, row: Any, inside: list[Any]) -> pb.CartItem:
    leaves = inside if row.type == PACKAGE else [row]
    made = pb.CartItem(
        id=row.id,
        type=row.type,
        reference=row.reference,
        reference_uuid=row.reference_uuid,
        name=row.name,
        quantity=row.quantity,
        status="active" if row.activated_at else "pending",
        activated_at=moment(row.activated_at),
        subscription_vat_rate=row.subscription_vat_rate,
        **money(view.row, prices(row) | _costs(view, row, leaves)),
    )
    if row.type == CONTACT_LENS:
        delivered = view.tally(row).delivered
        made.product_data.eye = row.eye
        made.box_count = row.box_count
        made.exchange_cycle = row.exchange_cycle
        made.delivered_boxes = delivered
        made.remaining_boxes = max(0, row.box_count - delivered)
    return made


def delivered_item(row: Any, item: Any, delivered: int) -> pb.DeliveredItem:
    """A contact lens of which boxes were delivered."""
    return pb.DeliveredItem(
        id=item.id,
        type=item.type,
        reference=item.reference,
        reference_uuid=item.reference_uuid,
        name=item.name,
        quantity=item.quantity,
        box_count=item.box_count,
        delivered_boxes=delivered,
        remaining_boxes=max(0, item.box_count - delivered),
        **money(row, prices(item)),
    )


def prices(item: Any) -> dict[str, int]:
    """What an item costs, once and a month."""
    return {
        "price_with_tax": item.price_with_tax,
        "total_with_tax": item.price_with_tax * item.quantity,
        "subscription_price": item.subscription_price,
    }


def _costs(view: View, row: Any, leaves: list[Any]) -> dict[str, int]:
    told = [view.costs(each) or Costs(0, 0) for each in leaves]
    amounts = {
        "cancellation_cost_kept": sum(each.kept for each in told),
        "cancellation_cost_returned": sum(each.returned for each in told),
    }
    if all(each.type != CONTACT_LENS for each in leaves):
        amounts["warranty_breakage_cost"] = row.subscription_price * BREAKAGE_MONTHS
        amounts["warranty_lost_cost"] = row.subscription_price * LOSS_MONTHS
    return amounts


def money(merchant: Any, amounts: Mapping[str, int]) -> dict[str, Any]:
    """Amounts in minor units as the merchant's readers write them."""
    return {
        name: pb.Money(value=value, string=money_string(value, merchant.locale, merchant.currency))
        for name, value in amounts.items()
    }


def moment(instant: datetime | None) -> Timestamp | None:
    """An instant to the millisecond, which is what the dialect writes."""
    if instant is None:
        return None
    seconds, milliseconds = divmod((instant - EPOCH) // MILLISECOND, 1000)
    return Timestamp(seconds=seconds, nanos=milliseconds * 1_000_000)

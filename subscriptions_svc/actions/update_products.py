"""A whole new cart: compared with the one in force, proposed, and confirmed."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from chassis.validation import refuse
from subscriptions_svc.rules import carts as rules_cart
from subscriptions_svc.rules import changes as rules_changes
from subscriptions_svc.rules import subscriptions as rules
from subscriptions_svc.rules.carts import PACKAGE
from subscriptions_svc.store import pending_carts as proposals
from subscriptions_svc.store import subscriptions as found
from subscriptions_svc.store import transitions as moves
from subscriptions_svc.store.views import View, views

NOT_ALLOWED = "NOT_ALLOWED"
# What an item of the cart has in common with a new one.
_SENT = (
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


def propose(
    tx: Connection, subscription: Row[Any], cart: list[dict[str, Any]], now: datetime
) -> None:
    """Let a new cart wait for the shopper; raises WrongState or Invalid when it may not."""
    view = views(tx, [subscription], now)[0]
    ensure_active(view)
    items = as_sent(view)
    parents = {item.id: item.parent_id for item in view.items}
    refuse(rules_changes.kept_faults({"cart_items": cart}, items, parents))
    whole = rules_changes.merged(cart, items)
    kept = set(ids(whole))
    values = {"cart_items": whole}
    refuse(
        rules_cart.price_faults(values),
        rules_cart.eye_faults(values),
        rules_changes.change_faults(cart, kept, items),
    )
    ensure_exchangeable(view, kept)
    proposals.propose(tx, subscription.id, whole, now)


def confirm(
    tx: Connection, subscription: Row[Any], now: datetime, *, code: str | None = None
) -> bool:
    """Confirm what waits for the shopper: the subscription, or the cart that pends.

    The shopper confirms the cart that has the code of the link; without one, staff whatever waits.
    Gives whether anything has changed. Raises WrongState when the subscription has ended, or the
    cart that pends is not allowed any more; nothing of it is kept then. The caller holds the
    subscription's lock.
    """
    found.ensure_live(subscription, now)
    if rules.Status(subscription.status) in rules.UNCONFIRMED:
        return moves.confirm(tx, subscription, now, by_staff=code is None)
    proposal = proposals.claim(tx, subscription.id, code)
    if proposal is None:
        return False
    view = views(tx, [subscription], now)[0]
    ensure_active(view)
    ensure_exchangeable(view, {row["id"] for row in proposal.items})
    return proposals.confirm(tx, subscription, proposal, view.year, now)


def ensure_active(view: View) -> None:
    """Raise WrongState unless the subscription is active."""
    if view.status is not rules.Status.ACTIVE:
        raise WrongState("The subscription is not active.", reason=NOT_ALLOWED)


def ensure_exchangeable(view: View, kept: set[str]) -> None:
    """Raise WrongState unless what is not kept may be taken out now."""
    taken_out = [item for item in view.items if item.id not in kept and item.type != PACKAGE]
    if not taken_out:
        return
    if view.row.payment_status != rules.PaymentStatus.PAID:
        raise WrongState("An exchange needs a paid subscription.", reason=NOT_ALLOWED)
    for item in taken_out:
        if not view.exchangeable(item):
            message = f"No exchange of item {item.reference_uuid} is due."
            raise WrongState(message, reason=NOT_ALLOWED)


def as_sent(view: View) -> dict[str, dict[str, Any]]:
    """The items of the cart in force as they were sent, by id; packages hold their items."""
    made: dict[str, dict[str, Any]] = {}
    for item in view.items:
        values = {name: getattr(item, name) for name in _SENT if getattr(item, name) is not None}
        if item.eye is not None:
            values["product_data"] = {"eye": item.eye}
        if item.type == PACKAGE:
            values["items"] = []
        made[item.id] = {"id": item.id, **values}
        if item.parent_id is not None:
            made[item.parent_id]["items"].append(made[item.id])
    return made


def ids(cart: list[dict[str, Any]]) -> list[str]:
    """The ids of a cart's items that stay, those inside packages included."""
    inside = [each for item in cart for each in ids(item.get("items", []))]
    return [item["id"] for item in cart if "id" in item] + inside

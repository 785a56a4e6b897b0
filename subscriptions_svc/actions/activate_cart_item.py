"""ActivateCartItem: marks an item as handed over in store."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import NotFound
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.carts import build_cart_item
from subscriptions_svc.documents.events import build_activated
from subscriptions_svc.store.cart_items import activate_item, find_item, has_pending_items
from subscriptions_svc.store.paying.schedule import open_payments
from subscriptions_svc.store.subscriptions import (
    NOBODY,
    ensure_confirmed,
    find_own_subscription,
    find_subscription,
)
from subscriptions_svc.store.tables import outbox
from subscriptions_svc.store.transitions import activate, record_first_delivery
from subscriptions_svc.store.views import read_view


def activate_cart_item(
    tx: Connection, subscription: Row[Any], reference_uuid: str, now: datetime
) -> pb.CartItem:
    """Hand over an item, with what is inside it; the last one activates the subscription.

    Raises NotFound or WrongState. The caller holds the subscription's lock.
    """
    item = find_item(tx, subscription.id, reference_uuid)
    if item is None:
        raise NotFound("The subscription has no such item.")
    ensure_confirmed(subscription, now)
    activated = activate_item(tx, subscription.id, item.id, now)
    if activated:
        record_first_delivery(tx, subscription, now)
    if activated and not has_pending_items(tx, subscription.id):
        activate_subscription(tx, subscription, now, now)
    subscription = find_own_subscription(tx, subscription.id)
    return build_cart_item(read_view(tx, subscription, now), item.id)


def activate_subscription(
    tx: Connection, subscription: Row[Any], activated_at: datetime, now: datetime
) -> bool:
    """Begin the first year of an activating subscription; returns whether it has begun now."""
    if not activate(tx, subscription, activated_at):
        return False
    outbox.add(tx, build_activated(subscription, activated_at), now)
    open_payments(tx, find_subscription(tx, subscription.id, NOBODY), now)
    return True

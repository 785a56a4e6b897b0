"""The items of carts: kept, read, and marked as handed over in store.

Rows of items that were taken out stay: the ledger names them, and exchanges are counted by them.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, insert, or_, select, update

from subscriptions_svc.rules.carts import CONTACT_LENS, PACKAGE, monthly
from subscriptions_svc.store import transitions as moves
from subscriptions_svc.store.tables import UUID, box_counters, cart_items, subscriptions

_ADD = insert(cart_items)
_OF_SUBSCRIPTION = cart_items.c.subscription_id == bindparam("of")
# An item for each year of which boxes are counted; of no year, once. With what its subscription is
# at that moment: see views.Torn.
_ITEMS = (
    select(
        cart_items,
        box_counters.c.year,
        box_counters.c.delivered,
        box_counters.c.last_delivered_at,
        subscriptions.c.cart_id.label("of_cart"),
        subscriptions.c.status.label("of_status"),
    )
    .join(subscriptions)
    .outerjoin(box_counters, box_counters.c.item_id == cart_items.c.id)
    .order_by(cart_items.c.subscription_id, cart_items.c.position)
)
_ITEMS_OF_ONE = _ITEMS.where(_OF_SUBSCRIPTION)
_ITEMS_OF_MANY = _ITEMS.where(cart_items.c.subscription_id.in_(bindparam("ids", expanding=True)))
_IN_FORCE = cart_items.c.removed_in.is_(None)
_ITEM = select(cart_items.c.id, cart_items.c.parent_id).where(
    _OF_SUBSCRIPTION, _IN_FORCE, cart_items.c.reference_uuid == bindparam("uuid")
)
_LENSES = select(cart_items).where(
    _OF_SUBSCRIPTION,
    _IN_FORCE,
    cart_items.c.type == CONTACT_LENS,
    cart_items.c.reference_uuid.in_(bindparam("uuids", expanding=True)),
)
_OTHER = cart_items.alias("other")
_IS_PENDING = cart_items.c.activated_at.is_(None)
_ACTIVATE_ITEM = (
    update(cart_items)
    .where(
        _OF_SUBSCRIPTION,
        _IN_FORCE,
        _IS_PENDING,
        or_(cart_items.c.id == bindparam("item"), cart_items.c.parent_id == bindparam("item")),
    )
    .values(activated_at=bindparam("now"))
)
_ACTIVATE_PACKAGES = (
    update(cart_items)
    .where(
        _OF_SUBSCRIPTION,
        _IN_FORCE,
        _IS_PENDING,
        cart_items.c.type == PACKAGE,
        ~exists().where(
            _OTHER.c.subscription_id == cart_items.c.subscription_id,
            _OTHER.c.parent_id == cart_items.c.id,
            _OTHER.c.activated_at.is_(None),
        ),
    )
    .values(activated_at=bindparam("now"))
)
_IS_PENDING_ITEM = exists().where(_OF_SUBSCRIPTION, _IN_FORCE, _IS_PENDING).select()


def add_items(tx: Connection, subscription_id: str, cart: Sequence[Mapping[str, Any]]) -> None:
    """Keep the items of a first cart, each package before its own."""
    tx.execute(
        _ADD,
        [
            {**row, "subscription_id": subscription_id, "position": position}
            for position, row in enumerate(rows(cart))
        ],
    )


def rows(items: Iterable[Mapping[str, Any]], parent: str | None = None) -> Iterator[dict[str, Any]]:
    """Items as they are kept, each with its place: one that has an id already, with that alone."""
    for item in items:
        if "id" in item:
            row = {"id": item["id"], "parent_id": parent}
        else:
            row = {
                "id": str(uuid.uuid4()),
                "reference_uuid": str(uuid.uuid4()),
                "parent_id": parent,
                "type": item["type"],
                "reference": item.get("reference"),
                "name": item["name"],
                "quantity": item["quantity"],
                "price_with_tax": item["price_with_tax"],
                "subscription_price": monthly(item),
                "subscription_vat_rate": item.get("subscription_vat_rate"),
                "eye": item.get("product_data", {}).get("eye"),
                "box_count": item.get("box_count"),
                "exchange_cycle": item.get("exchange_cycle"),
            }
        yield row
        yield from rows(item.get("items", ()), row["id"])


def items_of(tx: Connection, subscription_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """All items of these subscriptions, each cart in its order; also those taken out.

    An item of which boxes were delivered has a row for each year of them.
    """
    if len(subscription_ids) == 1:
        return tx.execute(_ITEMS_OF_ONE, {"of": subscription_ids[0]}).all()
    return tx.execute(_ITEMS_OF_MANY, {"ids": subscription_ids}).all()


def item(tx: Connection, subscription_id: str, reference_uuid: str) -> Row[Any, Any] | None:
    """The id and parent_id of an item of this subscription's cart."""
    if not UUID.fullmatch(reference_uuid):
        return None
    return tx.execute(_ITEM, {"of": subscription_id, "uuid": reference_uuid}).first()


def lenses(
    tx: Connection, subscription_id: str, reference_uuids: Iterable[str]
) -> dict[str, Row[Any]]:
    """The contact lenses among the named items of this subscription's cart, by reference_uuid."""
    key = {"of": subscription_id, "uuids": list(reference_uuids)}
    return {row.reference_uuid: row for row in tx.execute(_LENSES, key)}


def activate(tx: Connection, subscription: Row[Any], item: Row[Any, Any], now: datetime) -> None:
    """Mark an item as handed over, with what is inside it and the package that it completes.

    The last one activates the subscription. The caller holds the subscription's lock.
    """
    of = {"of": subscription.id, "now": now}
    if tx.execute(_ACTIVATE_ITEM, {**of, "item": item.id}).rowcount:
        complete_packages(tx, subscription.id, now)
        if not tx.execute(_IS_PENDING_ITEM, of).scalar():
            moves.activate(tx, subscription, now, now)


def complete_packages(tx: Connection, subscription_id: str, now: datetime) -> None:
    """Mark packages of which every item is handed over."""
    tx.execute(_ACTIVATE_PACKAGES, {"of": subscription_id, "now": now})

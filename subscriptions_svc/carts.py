"""The items of carts: kept, read, and marked as handed over in store."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, exists, insert, null, or_, select, update

from subscriptions_svc.rules import CONTACT_LENS, TOTAL_MONTHS, Status, subscription_price
from subscriptions_svc.store import UUID, cart_items, subscriptions
from subscriptions_svc.years import renewal_at

_ADD = insert(cart_items)
_ITEMS = (
    select(cart_items)
    .where(cart_items.c.subscription_id.in_(bindparam("ids", expanding=True)))
    .order_by(cart_items.c.subscription_id, cart_items.c.position)
)
_OF_SUBSCRIPTION = cart_items.c.subscription_id == bindparam("of")
_ITEM = select(cart_items.c.id, cart_items.c.parent_id).where(
    _OF_SUBSCRIPTION, cart_items.c.reference_uuid == bindparam("uuid")
)
_LENSES = select(cart_items).where(
    _OF_SUBSCRIPTION,
    cart_items.c.type == CONTACT_LENS,
    cart_items.c.reference_uuid.in_(bindparam("uuids", expanding=True)),
)
_OTHER = cart_items.alias("other")
_IS_PENDING = cart_items.c.activated_at.is_(null())
_ACTIVATE_ITEM = (
    update(cart_items)
    .where(
        _OF_SUBSCRIPTION,
        _IS_PENDING,
        or_(cart_items.c.id == bindparam("item"), cart_items.c.parent_id == bindparam("item")),
    )
    .values(activated_at=bindparam("now"))
)
_ACTIVATE_PACKAGE = (
    update(cart_items)
    .where(
        _OF_SUBSCRIPTION,
        _IS_PENDING,
        cart_items.c.id == bindparam("package"),
        ~exists().where(
            _OTHER.c.subscription_id == cart_items.c.subscription_id,
            _OTHER.c.parent_id == cart_items.c.id,
            _OTHER.c.activated_at.is_(null()),
        ),
    )
    .values(activated_at=bindparam("now"))
)
_ACTIVATE_SUBSCRIPTION = (
    update(subscriptions)
    .where(
        subscriptions.c.id == bindparam("of"),
        subscriptions.c.status == Status.ACTIVATING.value,
        ~exists().where(
            _OTHER.c.subscription_id == subscriptions.c.id, _OTHER.c.activated_at.is_(null())
        ),
    )
    .values(
        status=Status.ACTIVE.value,
        activated_at=bindparam("now"),
        renewal_at=bindparam("renewal"),
    )
)


def add_items(tx: Connection, subscription_id: str, cart: Sequence[Mapping[str, Any]]) -> None:
    """Keep the items of a new cart, each package before its own."""
    rows = [
        {"subscription_id": subscription_id, "position": position, **row}
        for position, row in enumerate(_rows(cart, None))
    ]
    tx.execute(_ADD, rows)


def _rows(items: Iterable[Mapping[str, Any]], parent: str | None) -> Iterator[dict[str, Any]]:
    for item in items:
        row = {
            "id": str(uuid.uuid4()),
            "reference_uuid": str(uuid.uuid4()),
            "parent_id": parent,
            "type": item["type"],
            "reference": item.get("reference"),
            "name": item["name"],
            "quantity": item["quantity"],
            "price_with_tax": item["price_with_tax"],
            "subscription_price": item.get("subscription_price", monthly_price(item)),
            "subscription_vat_rate": item.get("subscription_vat_rate"),
            "eye": item.get("product_data", {}).get("eye"),
            "box_count": item.get("box_count"),
            "exchange_cycle": item.get("exchange_cycle"),
        }
        yield row
        yield from _rows(item.get("items", ()), row["id"])


def monthly_price(item: Mapping[str, Any]) -> int:
    """What an item costs a month where nobody said: a package, what its items cost."""
    if "items" not in item:
        return subscription_price(item["price_with_tax"], TOTAL_MONTHS)
    return sum(
        each.get("subscription_price", monthly_price(each)) * each["quantity"]
        for each in item["items"]
    )


def items_of(tx: Connection, subscription_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """All items of these subscriptions, each cart in its order."""
    return tx.execute(_ITEMS, {"ids": subscription_ids}).all()


def item(tx: Connection, subscription_id: str, reference_uuid: str) -> Row[Any, Any] | None:
    """The id and parent_id of an item of this subscription."""
    if not UUID.fullmatch(reference_uuid):
        return None
    return tx.execute(_ITEM, {"of": subscription_id, "uuid": reference_uuid}).first()


def lenses(
    tx: Connection, subscription_id: str, reference_uuids: Iterable[str]
) -> dict[str, Row[Any]]:
    """The contact lenses among the named items of this subscription, by reference_uuid."""
    key = {"of": subscription_id, "uuids": list(reference_uuids)}
    return {row.reference_uuid: row for row in tx.execute(_LENSES, key)}


def activate(tx: Connection, subscription: Row[Any], item: Row[Any, Any], now: datetime) -> None:
    """Mark an item as handed over, with what is inside it and the package that it completes.

    The last one activates the subscription. The caller holds the subscription's lock.
    """
    of = {"of": subscription.id, "now": now}
    if tx.execute(_ACTIVATE_ITEM, {**of, "item": item.id}).rowcount:
        tx.execute(_ACTIVATE_PACKAGE, {**of, "package": item.parent_id})
        renewal = renewal_at(now, subscription.total_months, ZoneInfo(subscription.time_zone))
        tx.execute(_ACTIVATE_SUBSCRIPTION, {**of, "renewal": renewal})

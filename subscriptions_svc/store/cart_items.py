"""Items of carts: added, read, and marked as handed over in store.

Rows of items taken out of the cart stay: the ledger refers to them, and exchanges are counted by
them.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from chassis.errors import NotFound
from chassis.store.prepared import Prepared, PreparedUnion
from subscriptions_svc.rules.carts import CONTACT_LENS, PACKAGE, compute_monthly_price
from subscriptions_svc.rules.prescriptions.verification import Verification
from subscriptions_svc.store.lenses.prescriptions import (
    IS_IN_FORCE,
    add_prescriptions,
    list_prescribed,
)
from subscriptions_svc.store.personal import PRESCRIPTIONS, SUBSCRIPTIONS
from subscriptions_svc.store.subscriptions import (
    ABSENT,
    SUBSCRIPTION,
    UUID_PATTERN,
    build_key,
    ensure_own,
)
from subscriptions_svc.store.tables import box_counters, cart_items, prescriptions, subscriptions

# What a discount leaves in the row of an item: see rules.agreements.discounts.apply_discounts.
DISCOUNT_COLUMNS = ("discount_type", "original_price_with_tax", "original_subscription_price")
_ADD = insert(cart_items)
# Of the prescription in force; the version is null where an item has none.
PRESCRIPTION_COLUMNS = (
    "version",
    "details",
    "issued_on",
    "expires_on",
    "is_derived",
    "country",
    "time_zone",
    *Verification._fields,
)
_IS_OF_SUBSCRIPTION = cart_items.c.subscription_id == bindparam("where_subscription_id")
# One row per item and year with counted boxes; an item without any has one row.
_COLUMNS = (
    *cart_items.c,
    box_counters.c.year,
    box_counters.c.delivered,
    box_counters.c.last_delivered_at,
    *(prescriptions.c[name] for name in PRESCRIPTION_COLUMNS),
)


def _add_parts(statement: Select[Any]) -> Select[Any]:
    """Join what an item has: a prescription in force, and counted boxes."""
    return statement.outerjoin(
        prescriptions, and_(prescriptions.c.item_id == cart_items.c.id, IS_IN_FORCE)
    ).outerjoin(box_counters, box_counters.c.item_id == cart_items.c.id)


# With the cart and status of its subscription at that moment: see views.TornRead.
_ITEMS = _add_parts(
    select(
        *_COLUMNS,
        subscriptions.c.cart_id.label("subscription_cart_id"),
        subscriptions.c.status.label("subscription_status"),
    )
    .select_from(cart_items)
    .join(subscriptions, subscriptions.c.id == cart_items.c.subscription_id)
).order_by(cart_items.c.subscription_id, cart_items.c.position)
_ONE = SUBSCRIPTION.cte("subscription")
_ONE_WITH_ITEMS = PreparedUnion(
    _ONE,
    _add_parts(
        select(*_COLUMNS)
        .select_from(_ONE)
        .join(cart_items, and_(cart_items.c.subscription_id == _ONE.c.id, _ONE.c.is_own))
    ),
)
_ITEMS_OF_ONE = Prepared(_ITEMS.where(_IS_OF_SUBSCRIPTION))
_ITEMS_OF_MANY = _ITEMS.where(
    cart_items.c.subscription_id.in_(bindparam("subscription_ids", expanding=True))
)
_IN_FORCE = cart_items.c.removed_in.is_(None)
_ITEM = select(cart_items.c.id, cart_items.c.parent_id).where(
    _IS_OF_SUBSCRIPTION, _IN_FORCE, cart_items.c.reference_uuid == bindparam("reference_uuid")
)
_LENSES = select(cart_items).where(
    _IS_OF_SUBSCRIPTION,
    _IN_FORCE,
    cart_items.c.type == CONTACT_LENS,
    cart_items.c.reference_uuid.in_(bindparam("reference_uuids", expanding=True)),
)
_PART = cart_items.alias("part")
_IS_PENDING = cart_items.c.activated_at.is_(None)
_ACTIVATE_ITEM = (
    update(cart_items)
    .where(
        _IS_OF_SUBSCRIPTION,
        _IN_FORCE,
        _IS_PENDING,
        or_(
            cart_items.c.id == bindparam("where_id"),
            cart_items.c.parent_id == bindparam("where_id"),
        ),
    )
    .values(activated_at=bindparam("activated_at"))
)
_ACTIVATE_PACKAGES = (
    update(cart_items)
    .where(
        _IS_OF_SUBSCRIPTION,
        _IN_FORCE,
        _IS_PENDING,
        cart_items.c.type == PACKAGE,
        ~exists().where(
            _PART.c.subscription_id == cart_items.c.subscription_id,
            _PART.c.parent_id == cart_items.c.id,
            _PART.c.activated_at.is_(None),
        ),
    )
    .values(activated_at=bindparam("activated_at"))
)
_HAS_PENDING = exists().where(_IS_OF_SUBSCRIPTION, _IN_FORCE, _IS_PENDING).select()
_LAST_POSITION = select(func.max(cart_items.c.position)).where(_IS_OF_SUBSCRIPTION)
_TAKE_OUT = (
    update(cart_items)
    .where(
        _IS_OF_SUBSCRIPTION,
        cart_items.c.removed_in.is_(None),
        cart_items.c.id.not_in(bindparam("kept_ids", expanding=True)),
    )
    .values(removed_in=bindparam("removed_in"), removed_at=bindparam("removed_at"))
)
_KEEP = (
    update(cart_items)
    .where(cart_items.c.id == bindparam("where_id"))
    .values(parent_id=bindparam("parent_id"), position=bindparam("position"))
)


def add_items(
    tx: Connection,
    subscription_id: str,
    cart: Sequence[Mapping[str, Any]],
    merchant: Any,
    now: datetime,
) -> None:
    """Add the items of a first cart with their prescriptions, each package before its own."""
    rows = list(make_rows(cart))
    tx.execute(
        _ADD,
        [
            {**row, "subscription_id": subscription_id, "position": position}
            for position, row in enumerate(rows)
        ],
    )
    prescribed = list_prescribed(rows, cart)
    add_prescriptions(tx, subscription_id, merchant, prescribed, now)


def make_rows(
    items: Iterable[Mapping[str, Any]], parent_id: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of items, each package before its own; a kept item's has its id and parent."""
    for item in items:
        if "id" in item:
            row = {"id": item["id"], "parent_id": parent_id}
        else:
            row = {
                "id": str(uuid.uuid4()),
                "reference_uuid": str(uuid.uuid4()),
                "parent_id": parent_id,
                "type": item["type"],
                "reference": item.get("reference"),
                "name": item["name"],
                "quantity": item["quantity"],
                "price_with_tax": item["price_with_tax"],
                "subscription_price": compute_monthly_price(item),
                **{name: item.get(name) for name in DISCOUNT_COLUMNS},
                "subscription_vat_rate": item.get("subscription_vat_rate"),
                "eye": item.get("product_data", {}).get("eye"),
                "box_count": item.get("box_count"),
                "exchange_cycle": item.get("exchange_cycle"),
            }
        yield row
        yield from make_rows(item.get("items", ()), row["id"])


def read_items(tx: Connection, subscription_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return all items of subscriptions, each cart in its order, including those taken out.

    An item with delivered boxes has a row for each year of them.
    """
    if len(subscription_ids) == 1:
        rows: Sequence[Row[Any]] = _ITEMS_OF_ONE.all(tx, _build_key(subscription_ids[0]))
    else:
        rows = tx.execute(_ITEMS_OF_MANY, {"subscription_ids": subscription_ids}).all()
    return [_open(tx, row) for row in rows]


def find_own_with_items(
    tx: Connection, subscription_id: str
) -> tuple[Row[Any], Sequence[Row[Any]]]:
    """Return a subscription of the caller's merchants, and its items as `read_items` does.

    Both are as they were at one moment. Raises NotFound, or Unauthenticated.
    """
    found = _ONE_WITH_ITEMS.find(tx, build_key(subscription_id))
    if found is None:
        raise NotFound(ABSENT)
    row, items = found
    ensure_own(row)
    items.sort(key=attrgetter("position"))
    return SUBSCRIPTIONS.open(tx, row), [_open(tx, item) for item in items]


def _open(tx: Connection, row: Row[Any]) -> Row[Any]:
    if row.version is None:
        return row
    return PRESCRIPTIONS.open(tx, row, {"item_id": row.id, "version": row.version})


def find_item(tx: Connection, subscription_id: str, reference_uuid: str) -> Row[Any, Any] | None:
    """Return the id and parent_id of an item of a subscription's cart."""
    if not UUID_PATTERN.fullmatch(reference_uuid):
        return None
    key = {**_build_key(subscription_id), "reference_uuid": reference_uuid}
    return tx.execute(_ITEM, key).first()


def find_lenses(
    tx: Connection, subscription_id: str, reference_uuids: Iterable[str]
) -> dict[str, Row[Any]]:
    """Return the contact lenses among items of a subscription's cart, by reference_uuid."""
    key = {**_build_key(subscription_id), "reference_uuids": list(reference_uuids)}
    return {row.reference_uuid: row for row in tx.execute(_LENSES, key)}


def activate_item(tx: Connection, subscription_id: str, item_id: str, now: datetime) -> bool:
    """Mark an item as handed over, with what is inside it; returns whether any of it was pending.

    A package that this completes is marked, too.
    """
    key = {**_build_key(subscription_id), "where_id": item_id, "activated_at": now}
    if not tx.execute(_ACTIVATE_ITEM, key).rowcount:
        return False
    complete_packages(tx, subscription_id, now)
    return True


def complete_packages(tx: Connection, subscription_id: str, now: datetime) -> None:
    """Mark packages as handed over of which every item is."""
    tx.execute(_ACTIVATE_PACKAGES, {**_build_key(subscription_id), "activated_at": now})


def has_pending_items(tx: Connection, subscription_id: str) -> bool:
    """Whether any item of the cart in force is not handed over."""
    return bool(tx.execute(_HAS_PENDING, _build_key(subscription_id)).scalar())


def replace_items(
    tx: Connection,
    subscription_id: str,
    cart_id: str,
    rows: Iterable[Mapping[str, Any]],
    now: datetime,
) -> None:
    """Bring the items of a changed cart into force: add new rows, keep kept ones, take out others.

    The order is that of the new cart, after all items of earlier ones.
    """
    first = tx.execute(_LAST_POSITION, _build_key(subscription_id)).scalar_one() + 1
    places = list(enumerate(rows, first))
    new = [(position, row) for position, row in places if "type" in row]
    kept = [(position, row) for position, row in places if "type" not in row]
    out = {"removed_in": cart_id, "removed_at": now, "kept_ids": [row["id"] for _, row in kept]}
    tx.execute(_TAKE_OUT, {**_build_key(subscription_id), **out})
    if new:
        origin = {"subscription_id": subscription_id, "added_in": cart_id}
        tx.execute(_ADD, [{**row, **origin, "position": position} for position, row in new])
    if kept:
        tx.execute(
            _KEEP,
            [
                {"where_id": row["id"], "parent_id": row["parent_id"], "position": position}
                for position, row in kept
            ],
        )


def _build_key(subscription_id: str) -> dict[str, Any]:
    return {"where_subscription_id": subscription_id}

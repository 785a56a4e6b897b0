"""Pending carts: proposed, and claimed for their confirmation.

A proposal refers to kept items by their ids and contains the rows of new ones, which are added when
it is confirmed; all other items of the cart are taken out then. A new proposal replaces a pending
one, whose link stops working.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, delete, func

from chassis.store.database import upsert
from subscriptions_svc.store.cart_items import make_rows
from subscriptions_svc.store.lenses.prescriptions import (
    add_prescriptions,
    discard_prescriptions,
    list_prescribed,
)
from subscriptions_svc.store.subscriptions import generate_code
from subscriptions_svc.store.tables import pending_carts

_PROPOSE = upsert(pending_carts, ["id", "code", "cart_items", "proposed_at"])
_CLAIM = (
    delete(pending_carts)
    .where(
        pending_carts.c.subscription_id == bindparam("subscription_id"),
        pending_carts.c.code
        == func.coalesce(bindparam("code", type_=pending_carts.c.code.type), pending_carts.c.code),
    )
    .returning(pending_carts.c.id, pending_carts.c.code, pending_carts.c.cart_items)
)


class PendingCart(NamedTuple):
    """A pending cart that was claimed; its rows are those of `make_rows`."""

    id: str
    code: str
    rows: list[dict[str, Any]]


def propose_cart(
    tx: Connection, subscription: Row[Any], cart: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Let a new cart wait for the shopper; the caller holds the subscription's lock.

    Prescriptions of its new items are kept at once: they are sealed, and a cart is not.
    """
    subscription_id = subscription.id
    discard_cart(tx, subscription_id)
    rows = list(make_rows(cart))
    row = {
        "subscription_id": subscription_id,
        "id": str(uuid.uuid4()),
        "code": generate_code(),
        "cart_items": rows,
        "proposed_at": now,
    }
    tx.execute(_PROPOSE, row)
    add_prescriptions(tx, subscription_id, subscription, list_prescribed(rows, cart), now)


def discard_cart(tx: Connection, subscription_id: str) -> None:
    """Remove the pending cart of a subscription, if it has one, with what belongs to it."""
    if cart := claim_cart(tx, subscription_id):
        discard_prescriptions(tx, (row["id"] for row in cart.rows if "type" in row))


def claim_cart(tx: Connection, subscription_id: str, code: str | None = None) -> PendingCart | None:
    """Remove and return the pending cart of a subscription, whether to confirm or to discard it.

    With a code, only a cart that has it: another one may have replaced it a moment ago.
    """
    row = tx.execute(_CLAIM, {"subscription_id": subscription_id, "code": code}).first()
    return None if row is None else PendingCart(row.id, row.code, row.cart_items)

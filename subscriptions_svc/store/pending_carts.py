"""Carts that wait for the shopper: proposed, found by the code of their link, put into force.

A proposal names what stays by its id and holds the rows of what is new, which are made when it is
confirmed; whatever else is in the cart is taken out then. A new proposal takes the place of one
that pends, whose link dies with it.
"""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from subscriptions_svc.actions.create_subscription import new_code
from subscriptions_svc.documents import events
from subscriptions_svc.rules.subscriptions import Status
from subscriptions_svc.store import box_counters as boxes
from subscriptions_svc.store import cart_items as carts
from subscriptions_svc.store.tables import IS_OVER, cart_items, pending_carts, subscriptions


def _propose(dialect: Any) -> Any:
    statement = dialect.insert(pending_carts)
    names = ("id", "code", "cart_items", "proposed_at")
    return statement.on_conflict_do_update(
        index_elements=["subscription_id"],
        set_={name: statement.excluded[name] for name in names},
    )


_PROPOSE = {"sqlite": _propose(sqlite), "postgresql": _propose(postgresql)}
_CLAIM = (
    delete(pending_carts)
    .where(
        pending_carts.c.subscription_id == bindparam("of"),
        pending_carts.c.code == func.coalesce(bindparam("code"), pending_carts.c.code),
    )
    .returning(pending_carts.c.id, pending_carts.c.code, pending_carts.c.cart_items)
)
_PUT_INTO_FORCE = (
    update(subscriptions)
    .where(
        subscriptions.c.id == bindparam("of"),
        subscriptions.c.status == Status.ACTIVE.value,
        ~IS_OVER,
    )
    .values(cart_id=bindparam("cart"), cart_code=bindparam("code"))
    .execution_options(preserve_rowcount=True)
)
_OF = cart_items.c.subscription_id == bindparam("of")
_LAST = select(func.max(cart_items.c.position)).where(_OF)
_TAKE_OUT = (
    update(cart_items)
    .where(
        _OF,
        cart_items.c.removed_in.is_(None),
        cart_items.c.id.not_in(bindparam("kept", expanding=True)),
    )
    .values(removed_in=bindparam("cart"), removed_at=bindparam("now"))
)
_ADD = insert(cart_items)
_KEEP = (
    update(cart_items)
    .where(cart_items.c.id == bindparam("kept"))
    .values(parent_id=bindparam("parent"), position=bindparam("at"))
)
_BY_CODE = union_all(
    select(subscriptions.c.id).where(subscriptions.c.cart_code == bindparam("code")),
    select(pending_carts.c.subscription_id).where(pending_carts.c.code == bindparam("code")),
)


class Proposal(NamedTuple):
    """A cart that was claimed for its confirmation."""

    id: str
    code: str
    items: list[dict[str, Any]]


def propose(
    tx: Connection, subscription_id: str, cart: Iterable[Mapping[str, Any]], now: datetime
) -> None:
    """Let a new cart wait for the shopper; the caller holds the subscription's lock."""
    row = {
        "subscription_id": subscription_id,
        "id": str(uuid.uuid4()),
        "code": new_code(),
        "cart_items": list(carts.rows(cart)),
        "proposed_at": now,
    }
    tx.execute(_PROPOSE[tx.dialect.name], row)


def claim(tx: Connection, subscription_id: str, code: str | None = None) -> Proposal | None:
    """Take the cart that pends, for `confirm` or for nobody: it pends no more.

    With a code only the cart that has it: another one may have taken its place a moment ago.
    """
    row = tx.execute(_CLAIM, {"of": subscription_id, "code": code}).first()
    return None if row is None else Proposal(row.id, row.code, row.cart_items)


def confirm(
    tx: Connection, subscription: Row[Any], proposal: Proposal, year: int, now: datetime
) -> bool:
    """Put a claimed cart into force in the current year; False when the subscription has ended."""
    of = {"of": subscription.id, "cart": proposal.id, "now": now}
    if tx.execute(_PUT_INTO_FORCE, {**of, "code": proposal.code}).rowcount != 1:
        return False
    first = tx.execute(_LAST, of).scalar_one() + 1
    places = list(enumerate(proposal.items, first))
    new = [(place, row) for place, row in places if "type" in row]
    kept = [(place, row) for place, row in places if "type" not in row]
    tx.execute(_TAKE_OUT, {**of, "kept": [row["id"] for _, row in kept]})
    if new:
        origin = {"subscription_id": subscription.id, "added_in": proposal.id}
        tx.execute(_ADD, [{**row, **origin, "position": place} for place, row in new])
    if kept:
        tx.execute(
            _KEEP,
            [{"kept": row["id"], "parent": row["parent_id"], "at": place} for place, row in kept],
        )
    carts.complete_packages(tx, subscription.id, now)
    boxes.carry_over(tx, subscription.id, proposal.id, year)
    events.updated(tx, subscription, now)
    return True


def subscription_by_code(tx: Connection, code: str) -> str | None:
    """The id of the subscription whose cart, in force or pending, has this code."""
    return tx.execute(_BY_CODE, {"code": code}).scalar()

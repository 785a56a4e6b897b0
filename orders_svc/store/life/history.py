"""What became of an order: an entry for each change, under the version that it made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, insert, select

from chassis.store.encryption.columns import find_keyring
from chassis.store.prepared import Prepared
from orders_svc.store.personal import HISTORY, ORDERS
from orders_svc.store.tables import order_history, orders, users

MAX_COPIES = 100  # that are shown
_ADD = Prepared(insert(order_history))
_LIST: Any = (
    select(order_history, users.c.email.label("user_email"))
    .outerjoin(users, users.c.id == order_history.c.user_id)
    .where(
        order_history.c.order_id == bindparam("order_id"),
        order_history.c.version <= bindparam("version"),
    )
    .order_by(order_history.c.version)
)
_IS_COPY = orders.c.original_id == bindparam("order_id")
_COPIES, _SEALED_COPIES = (
    select(orders.c.id, column)
    .where(_IS_COPY)
    .order_by(orders.c.created_at, orders.c.id)
    .limit(MAX_COPIES)
    for column in (orders.c.document["submission_type"].as_string(), orders.c.document)
)


class Copy(NamedTuple):
    """An order that was made from another one, and how."""

    id: str
    submission_type: str


class Life(NamedTuple):
    """The entries of an order's history, and the orders that were made from it."""

    entries: Sequence[Row[Any]] = ()
    copies: Sequence[Copy] = ()


def add_entry(
    tx: Connection,
    row: Row[Any],
    event: str,
    by: str,
    now: datetime,
    *,
    user_id: int | None = None,
    lab_word: str | None = None,
) -> None:
    """Record a change of an order whose row is as the change left it."""
    entry = {
        "order_id": row.id,
        "version": row.version,
        "at": now,
        "event": event,
        "lab_status": row.lab_status,
        "by": by,
        "user_id": user_id,
        "lab_word": lab_word,
    }
    _ADD.execute(tx, HISTORY.seal(tx, entry))


def add_first_entry(tx: Connection, row: dict[str, Any]) -> None:
    """Record the creation of an order that the row alone does not tell."""
    entry = {
        "order_id": row["id"],
        "version": 1,
        "at": row["created_at"],
        "event": "created",
        "lab_status": row["lab_status"],
        "by": "client",
        "user_id": row["user_id"],
    }
    _ADD.execute(tx, entry)


def read_life(tx: Connection, row: Row[Any]) -> Life:
    """Return the life of an order up to this row; one that never changed needs no query."""
    if row.version == 1:
        return Life()
    entries = tx.execute(_LIST, {"order_id": row.id, "version": row.version}).all()
    copies = _read_copies(tx, row.id) if row.has_copies else ()
    return Life(HISTORY.open_all(tx, entries), copies)


def _read_copies(tx: Connection, order_id: str) -> Sequence[Copy]:
    is_sealed = find_keyring(tx) is not None
    found = tx.execute(_SEALED_COPIES if is_sealed else _COPIES, {"order_id": order_id}).all()
    if not is_sealed:
        return [Copy(*row) for row in found]
    opened = ORDERS.open_all(tx, found)
    return [Copy(row.id, row.document["submission_type"]) for row in opened]

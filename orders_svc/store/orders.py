"""Orders: adding, reading and changing them.

Each change is one statement that includes its condition: of two at once, one wins.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, insert, select, update

from chassis.context import Account
from chassis.errors import NotFound
from orders_svc.rules.lab_status import LAB_STATUSES, LabStatus
from orders_svc.rules.warnings.review import Review
from orders_svc.store.personal import ORDERS
from orders_svc.store.tables import orders, user_labs
from orders_svc.store.words import add_words, build_name_columns

ORDER_ID = re.compile(r"ord_[0-9a-f]{24}")

# The client's orders that went to a lab of the user, whichever user of the client made them.
VISIBLE = and_(
    orders.c.account_id == bindparam("where_account_id"),
    exists().where(
        user_labs.c.user_id == bindparam("where_user_id"),
        user_labs.c.lab_id == orders.c.lab_id,
        user_labs.c.account_number == orders.c.account_number,
    ),
)
_BY_ID = orders.c.id == bindparam("where_id")
_ADD = insert(orders)
_FIND_VISIBLE = select(orders).where(_BY_ID, VISIBLE)
_FIND_SUBMITTED = select(orders).where(_BY_ID, orders.c.lab_status.in_(LAB_STATUSES))
_SUBMIT = (
    update(orders)
    .where(_BY_ID, VISIBLE, orders.c.lab_status == LabStatus.DRAFT)
    .returning(*orders.c)
)
_UPDATE = (
    update(orders)
    .where(_BY_ID, orders.c.lab_status.in_(bindparam("where_lab_status", expanding=True)))
    .returning(*orders.c)
)


def add_order(
    tx: Connection,
    account: Account,
    user_id: int,
    order: Mapping[str, Any],
    review: Review,
    now: datetime,
) -> dict[str, Any]:
    """Add an order and return its row: one statement, unless the name has further words."""
    is_draft = order["mode"] == "draft"
    row = {
        "id": "ord_" + secrets.token_hex(12),
        "account_id": account.id,
        "user_id": user_id,
        "lab_id": order["lab"],
        "account_number": order["account_number"],
        "lab_status": LabStatus.DRAFT if is_draft else LabStatus.SUBMITTED,
        "document": order,
        "warnings": review.warnings or None,
        "traced": review.traced or None,
        "created_at": now,
        "submitted_at": None if is_draft else now,
        "updated_at": now,
        **build_name_columns(tx, order["patient"]),
    }
    tx.execute(_ADD, ORDERS.seal(tx, row))
    add_words(tx, account.id, row["id"], order["patient"])
    return row


def get_order(tx: Connection, account: Account, user_id: int, order_id: str) -> Row[Any]:
    """Return an order that the user sees; raises NotFound."""
    key = {"where_id": order_id, **bind_visible(account, user_id)}
    row = tx.execute(_FIND_VISIBLE, key).first() if _is_id(order_id) else None
    if row is None:
        raise NotFound("You have no such order.")
    return ORDERS.open(tx, row)


def get_submitted_order(tx: Connection, order_id: str) -> Row[Any]:
    """Return an order of any client that was submitted to a lab; raises NotFound."""
    row = tx.execute(_FIND_SUBMITTED, {"where_id": order_id}).first() if _is_id(order_id) else None
    if row is None:
        raise NotFound("There is no such order.")
    return ORDERS.open(tx, row)


def submit_draft(
    tx: Connection, account: Account, user_id: int, order_id: str, review: Review, now: datetime
) -> Row[Any] | None:
    """Submit a draft that the user sees; None if it is no longer a draft."""
    values = {
        "lab_status": LabStatus.SUBMITTED,
        "warnings": review.warnings or None,
        "traced": review.traced or None,
        "submitted_at": now,
        "updated_at": now,
    }
    key = {"where_id": order_id, **bind_visible(account, user_id)}
    sealed = ORDERS.seal(tx, values, {"id": order_id})
    return ORDERS.open_first(tx, tx.execute(_SUBMIT, sealed | key).first())


def change_order(
    tx: Connection,
    order_id: str,
    sources: Collection[LabStatus],
    values: Mapping[str, Any],
    now: datetime,
) -> Row[Any] | None:
    """Change columns of an order whose lab_status is among `sources`; None if it is not."""
    if not _is_id(order_id):
        return None
    key = {"where_id": order_id, "where_lab_status": sorted(sources)}
    changed = tx.execute(_UPDATE, {**values, "updated_at": now, **key}).first()
    return ORDERS.open_first(tx, changed)


def bind_visible(account: Account, user_id: int) -> dict[str, Any]:
    """Return the parameters of `VISIBLE`."""
    return {"where_account_id": account.id, "where_user_id": user_id}


def _is_id(text: str) -> bool:
    return ORDER_ID.fullmatch(text) is not None

"""Orders in the store: how they are kept, read and moved. No rule and no message.

Each move is one statement with its condition inside: of two at once one wins.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, func, insert, select, update

from chassis.context import Account
from orders_svc.names import searched
from orders_svc.statuses import SENT, LabStatus
from orders_svc.store import orders, user_labs
from orders_svc.warnings import Review

ID = re.compile(r"ord_[0-9a-f]{24}")

# Orders of the client that went to a lab of the user, whoever of the client made them.
SEEN = and_(
    orders.c.account_id == bindparam("of_account"),
    exists().where(
        user_labs.c.user_id == bindparam("of_user"),
        user_labs.c.lab_id == orders.c.lab_id,
        user_labs.c.account_number == orders.c.account_number,
    ),
)
_THIS = orders.c.id == bindparam("of_order")
_ADD = insert(orders)
_SEEN = select(orders).where(_THIS, SEEN)
_SENT = select(orders).where(_THIS, orders.c.lab_status.in_(SENT))
_SUBMIT = (
    update(orders)
    .where(_THIS, SEEN, orders.c.lab_status == LabStatus.DRAFT)
    .values(
        lab_status=LabStatus.SUBMITTED,
        warnings=bindparam("found"),
        traced=bindparam("measured"),
        submitted_at=bindparam("at"),
        updated_at=bindparam("at"),
    )
    .returning(*orders.c)
)
_MOVE = (
    update(orders)
    .where(_THIS, orders.c.lab_status.in_(bindparam("before", expanding=True)))
    .values(
        lab_status=func.coalesce(bindparam("after"), orders.c.lab_status),
        tray_number=func.coalesce(bindparam("tray"), orders.c.tray_number),
        invoice_number=func.coalesce(bindparam("invoice"), orders.c.invoice_number),
        updated_at=bindparam("at"),
    )
    .returning(*orders.c)
)


def add(
    tx: Connection,
    account: Account,
    user: int,
    order: Mapping[str, Any],
    review: Review,
    now: datetime,
) -> dict[str, Any]:
    """Keep a new order; gives its row."""
    draft = order["mode"] == "draft"
    row = {
        "id": "ord_" + secrets.token_hex(12),
        "account_id": account.id,
        "user_id": user,
        "lab_id": order["lab"],
        "account_number": order["account_number"],
        "lab_status": LabStatus.DRAFT if draft else LabStatus.SUBMITTED,
        "document": order,
        "warnings": review.warnings or None,
        "traced": review.traced or None,
        "created_at": now,
        "submitted_at": None if draft else now,
        "updated_at": now,
        **searched(order["patient"]),
    }
    tx.execute(_ADD, row)
    return row


def seen(tx: Connection, account: Account, user: int, order_id: str) -> Row[Any] | None:
    """An order that the user sees."""
    return tx.execute(_SEEN, _seen(account, user, order_id)).first() if _is_id(order_id) else None


def sent(tx: Connection, order_id: str) -> Row[Any] | None:
    """An order that was sent to a lab, whoever the client."""
    return tx.execute(_SENT, {"of_order": order_id}).first() if _is_id(order_id) else None


def submit(
    tx: Connection, account: Account, user: int, order_id: str, review: Review, now: datetime
) -> Row[Any] | None:
    """Send a draft that the user sees to its lab; None when it is none any more."""
    values = {"found": review.warnings or None, "measured": review.traced or None, "at": now}
    return tx.execute(_SUBMIT, {**_seen(account, user, order_id), **values}).first()


def move(
    tx: Connection,
    order_id: str,
    before: Collection[LabStatus],
    change: Mapping[str, str],
    now: datetime,
) -> Row[Any] | None:
    """Change an order that stands at one of `before`; None when it does not."""
    values = {
        "of_order": order_id,
        "before": sorted(before),
        "after": change.get("lab_status"),
        "tray": change.get("tray_number"),
        "invoice": change.get("invoice_number"),
        "at": now,
    }
    return tx.execute(_MOVE, values).first() if _is_id(order_id) else None


def _is_id(text: str) -> bool:
    return ID.fullmatch(text) is not None


def _seen(account: Account, user: int, order_id: str) -> dict[str, Any]:
    return {"of_account": account.id, "of_user": user, "of_order": order_id}

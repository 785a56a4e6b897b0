"""ReplaceOrder: another document for a draft, or for an order before its transmission."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.context import Account
from chassis.errors import STALE_VERSION, WrongState
from orders_svc.rules.life.available_actions import OrderState, find_available_actions
from orders_svc.rules.life.history import CLIENT, Event
from orders_svc.rules.warnings.review import Review
from orders_svc.store.history import add_entry
from orders_svc.store.orders import get_order, replace_document

STALE = "The order has changed since; read it again, and send the change with its new version."


def ensure_editable(row: Row[Any], versions: Collection[int], now: datetime) -> None:
    """Raise WrongState unless the order may be edited, and is in one of these versions."""
    if not find_available_actions(OrderState.of(row), now)["edit"]:
        raise WrongState(f"The order is {row.lab_status}, which does not allow this.")
    ensure_version(row, versions)


def ensure_version(row: Row[Any], versions: Collection[int]) -> None:
    """Raise WrongState (STALE_VERSION) unless the order is in one of these versions."""
    if row.version not in versions:
        raise WrongState(STALE, reason=STALE_VERSION)


def replace_order(
    tx: Connection,
    account: Account,
    user_id: int,
    order_id: str,
    versions: Collection[int],
    order: Mapping[str, Any],
    review: Review,
    now: datetime,
) -> Row[Any]:
    """Replace the document of an order by a checked one, and return its row."""
    row = replace_document(tx, account, user_id, order_id, versions, order, review, now)
    if row is None:
        ensure_editable(get_order(tx, account, user_id, order_id), versions, now)
        raise WrongState(STALE, reason=STALE_VERSION)
    add_entry(tx, row, Event.EDITED, CLIENT, now, user_id=user_id)
    return row

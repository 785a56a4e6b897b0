"""ReplaceOrder: another document for a draft, or for an order before its transmission."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.context import Account
from chassis.errors import Busy, WrongState
from chassis.server.preconditions import check_version
from orders_svc.rules.life.available_actions import OrderState, find_available_actions
from orders_svc.rules.life.history import CLIENT, Event
from orders_svc.rules.warnings.review import Review
from orders_svc.store.life.history import add_entry
from orders_svc.store.orders import get_order, replace_document


def ensure_editable(row: Row[Any], versions: Collection[int] | None, now: datetime) -> None:
    """Raise WrongState unless the order may be edited, and is in one of these versions."""
    if not find_available_actions(OrderState.of(row), now)["edit"]:
        raise WrongState(f"The order is {row.lab_status}, which does not allow this.")
    check_version(row.version, versions)


def replace_order(
    tx: Connection,
    account: Account,
    user_id: int,
    found: Row[Any],
    order: Mapping[str, Any],
    review: Review,
    now: datetime,
    versions: Collection[int] | None = None,
) -> Row[Any]:
    """Replace the document of an order, as it was read, by a checked one, and return its row.

    Raises WrongState if it may no longer be edited, or is not of one of these versions, and Busy
    if it was changed in the meantime.
    """
    row = replace_document(tx, account, user_id, found, order, review, now)
    if row is None:
        ensure_editable(get_order(tx, account, user_id, found.id), versions, now)
        raise Busy("The order was changed at the same time; try again.")
    add_entry(tx, row, Event.EDITED, CLIENT, now, user_id=user_id)
    return row

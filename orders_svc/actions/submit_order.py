"""SubmitOrder: submit a draft to its lab."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.context import Account
from chassis.errors import WrongState
from chassis.server.preconditions import check_version
from orders_svc.documents.events import ORDER_SUBMITTED, build_event
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.warnings.review import Review
from orders_svc.store.orders import get_order, submit_draft
from orders_svc.store.tables import outbox

NOT_A_DRAFT = "The order is not a draft."


def ensure_draft(order: Row[Any]) -> None:
    """Raise WrongState unless the order is a draft."""
    if order.lab_status != LabStatus.DRAFT:
        raise WrongState(NOT_A_DRAFT)


def submit_order(
    tx: Connection,
    account: Account,
    user_id: int,
    order_id: str,
    review: Review,
    now: datetime,
    versions: Collection[int] | None = None,
) -> Row[Any]:
    """Submit a checked draft and return its row.

    Raises WrongState if it is no longer a draft, or not of one of these versions.
    """
    row = submit_draft(tx, account, user_id, order_id, review, now, versions)
    if row is None:
        check_version(get_order(tx, account, user_id, order_id).version, versions)
        raise WrongState(NOT_A_DRAFT)
    outbox.add(tx, build_event(account.name, ORDER_SUBMITTED, row._mapping, now), now)
    return row

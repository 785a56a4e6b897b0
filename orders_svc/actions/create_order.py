"""CreateOrder: store an order as a draft, or submit it to its lab."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from chassis.context import Account
from orders_svc.documents.events import ORDER_SUBMITTED, build_event
from orders_svc.rules.warnings.review import Review
from orders_svc.store.orders import add_order
from orders_svc.store.tables import outbox


def create_order(
    tx: Connection,
    account: Account,
    user_id: int,
    order: Mapping[str, Any],
    review: Review,
    now: datetime,
    *,
    notify: bool,
    single: bool = False,
) -> dict[str, Any]:
    """Add a checked order and return its row; `notify` adds the event of a submitted one.

    It is a `single` statement as `add_order` says.
    """
    row = add_order(tx, account, user_id, order, review, now, single=single)
    if notify:
        outbox.add(tx, build_event(account.name, ORDER_SUBMITTED, row, now), now)
    return row

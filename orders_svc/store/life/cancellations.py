"""A client's requests to cancel orders that their labs have."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, update

from orders_svc.rules.life.available_actions import AT_THE_LAB
from orders_svc.store.orders import BY_ID, IS_ASKED, IS_SUBMITTED, note_order
from orders_svc.store.personal import ORDERS
from orders_svc.store.tables import orders

_ANSWER = (
    update(orders)
    .where(BY_ID, IS_SUBMITTED, IS_ASKED, orders.c.lab_status.in_(AT_THE_LAB))
    .returning(*orders.c)
)


def answer_request(
    tx: Connection, order_id: str, values: Mapping[str, Any], now: datetime
) -> Row[Any] | None:
    """Change columns of an order whose client waits for an answer; None if they do not."""
    if not note_order(order_id):
        return None
    sealed = ORDERS.seal(tx, {**values, "updated_at": now}, {"id": order_id})
    return ORDERS.open_first(tx, tx.execute(_ANSWER, {**sealed, "where_id": order_id}).first())

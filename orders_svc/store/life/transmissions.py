"""Orders that wait for their transmission to a lab."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, select, update

from orders_svc.rules.lab_status import LabStatus
from orders_svc.store.horizon import WRITTEN_AT, find_time_of_write
from orders_svc.store.personal import ORDERS
from orders_svc.store.tables import orders

_NOW = bindparam("now", type_=orders.c.transmit_at.type)
_IS_DUE = (orders.c.transmit_at.is_not(None), orders.c.transmit_at <= _NOW)
_HAS_DUE = select(orders.c.id).where(*_IS_DUE).limit(1)
# A CTE and not a subquery: PostgreSQL evaluates it once, whatever its plan.
_NEXT = (
    select(orders.c.id)
    .where(*_IS_DUE)
    .order_by(orders.c.transmit_at, orders.c.id)
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(skip_locked=True)
    .cte("next_ones")
)
_TRANSMIT = (
    update(orders)
    .where(orders.c.id.in_(select(_NEXT.c.id)), orders.c.transmit_at.is_not(None))
    .values(
        {
            "lab_status": LabStatus.SUBMITTED,
            "transmit_at": None,
            "submitted_at": bindparam("at", type_=orders.c.submitted_at.type),
            "updated_at": bindparam("at", type_=orders.c.updated_at.type),
        }
    )
    .returning(*orders.c)
)
_TRANSMIT_NOW = _TRANSMIT.values({"submitted_at": WRITTEN_AT, "updated_at": WRITTEN_AT})


def has_due(tx: Connection, now: datetime) -> bool:
    """Return whether an order is to be transmitted."""
    return tx.execute(_HAS_DUE, {"now": now}).first() is not None


def transmit_due(tx: Connection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Transmit the orders that have waited longest, and return their rows.

    Rows that another process transmits at the same time are skipped.
    """
    at = find_time_of_write(tx, now)
    values = {"now": now, "limit": limit} | ({"at": at} if at else {})
    return ORDERS.open_all(tx, tx.execute(_TRANSMIT if at else _TRANSMIT_NOW, values).all())

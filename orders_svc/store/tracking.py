"""Tracking links of orders, and the messages that patients get about them."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from chassis.context import note_ids
from chassis.errors import NotFound
from chassis.notices.messages import EMAIL
from orders_svc.store.personal import ORDERS, QUEUE
from orders_svc.store.tables import messages, orders

MAX_MESSAGES = 5  # about one order
_CODE = re.compile(r"[A-Za-z0-9_-]{43}")
_FIND = select(orders.c.id, orders.c.lab_status, orders.c.document)


class TrackedOrder(NamedTuple):
    """What a patient is shown of their order."""

    id: str
    lab_status: str
    first_name: str


def put_tracking_code(tx: Connection, order_id: str) -> str:
    """Return the code of an order's link, which gets one if it has none."""
    this = orders.c.id == order_id
    code = secrets.token_urlsafe(32)
    # No change of the order: whoever has read it may still edit it.
    values = {
        "tracking_code": func.coalesce(orders.c.tracking_code, code),
        "version": orders.c.version,
    }
    changed = update(orders).where(this).values(values).returning(orders.c.tracking_code)
    found: str = tx.execute(changed).scalar_one()
    return found


def find_tracked_order(tx: Connection, code: str) -> TrackedOrder:
    """Return status and first name of the order behind a code; raises NotFound."""
    row = None
    if _CODE.fullmatch(code):
        row = tx.execute(_FIND.where(orders.c.tracking_code == code)).first()
    if row is None:
        raise NotFound("There is no such link.")
    note_ids(row.id)
    patient = ORDERS.open(tx, row).document["patient"]
    return TrackedOrder(row.id, row.lab_status, patient["first_name"])


def add_message(tx: Connection, order_id: str, content: Mapping[str, str], now: datetime) -> bool:
    """Queue an e-mail about an order; False when it has had all of them.

    The caller has changed the row of the order in this transaction, and so holds it.
    """
    counted = select(func.count()).where(messages.c.order_id == order_id)
    if tx.execute(counted).scalar_one() >= MAX_MESSAGES:
        return False
    row = QUEUE.build_row(tx, EMAIL, content, now)
    tx.execute(insert(messages), {**row, "order_id": order_id})
    return True

"""Status files that were read, and the orders that their lines name."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, select, update

from chassis.store.database import add_if_absent
from orders_svc.rules.lab_status import FINAL_STATUSES
from orders_svc.store.orders import IS_SUBMITTED
from orders_svc.store.personal import ORDERS
from orders_svc.store.tables import orders, status_files

RETENTION = timedelta(days=90)
_ONE = and_(
    status_files.c.lab_id == bindparam("where_lab_id"),
    status_files.c.digest == bindparam("where_digest"),
)
_LOCK = select(status_files).where(_ONE).with_for_update()
_ADVANCE = update(status_files).where(_ONE)
_BY_ID = select(orders).where(
    orders.c.id == bindparam("order_id"), orders.c.lab_id == bindparam("lab_id"), IS_SUBMITTED
)
_BY_TRAY = (
    select(orders)
    .where(
        orders.c.lab_id == bindparam("lab_id"),
        orders.c.tray_number == bindparam("tray_number"),
        IS_SUBMITTED,
    )
    .order_by(orders.c.submitted_at.desc(), orders.c.id)
    .limit(20)
)


def lock_status_file(
    tx: Connection, lab_id: str, digest: str, name: str, now: datetime
) -> Row[Any]:
    """Return how far a file was applied, and let no other process apply more of it meanwhile."""
    row = {"lines": 0, "refused": [], "read_at": now, "name": name}
    add_if_absent(tx, status_files, {"lab_id": lab_id, "digest": digest, **row})
    return tx.execute(_LOCK, {"where_lab_id": lab_id, "where_digest": digest}).one()


def record_lines(tx: Connection, file: Row[Any], lines: int, refused: Sequence[Any]) -> None:
    """Record that so many lines of a file were applied or refused."""
    key = {"where_lab_id": file.lab_id, "where_digest": file.digest}
    tx.execute(_ADVANCE, {"lines": lines, "refused": list(refused), **key})


def delete_old_files(tx: Connection, lab_id: str, now: datetime) -> None:
    """Forget the files of a lab that were read long ago."""
    old = and_(status_files.c.lab_id == lab_id, status_files.c.read_at <= now - RETENTION)
    tx.execute(delete(status_files).where(old))


def find_order_of_lab(tx: Connection, lab_id: str, order_id: str) -> Row[Any] | None:
    """Return an order that was submitted to this lab."""
    found = tx.execute(_BY_ID, {"lab_id": lab_id, "order_id": order_id}).first()
    return ORDERS.open_first(tx, found)


def find_orders_in_tray(tx: Connection, lab_id: str, tray_number: str) -> Sequence[Row[Any]]:
    """Return the lab's orders in a tray: those at work, or else the last one that ended.

    Trays are used again.
    """
    found = tx.execute(_BY_TRAY, {"lab_id": lab_id, "tray_number": tray_number}).all()
    rows = ORDERS.open_all(tx, found)
    return [row for row in rows if row.lab_status not in FINAL_STATUSES] or rows[:1]

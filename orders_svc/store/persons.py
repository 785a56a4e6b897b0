"""What is kept of a patient: found by e-mail address or phone number, read, and blanked.

An order's patient is whoever its document names. Blanking keeps the row, its lab, its status, its
numbers and its catalog choices, and removes name, addresses, prescription, tracing, free text, the
tracking link and unsent messages.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from chassis.notices.queue import erase_messages
from chassis.persons import EMAIL, PHONE, SCAN_BATCH, build_matcher
from orders_svc.rules.lab_status import FINAL_STATUSES
from orders_svc.rules.persons import blank_order
from orders_svc.store.tables import accounts, messages, name_words, order_history, orders

KINDS = (EMAIL, PHONE)
_NAMES = {EMAIL: "email", PHONE: "phone_number"}
_CLIENT = accounts.table.c.name
_SCANS = {
    kind: select(
        orders.c.id, _CLIENT, orders.c.document["patient"][name].as_string().label("found")
    )
    .join(accounts.table)
    .where(orders.c.id > bindparam("after"))
    .order_by(orders.c.id)
    .limit(SCAN_BATCH)
    for kind, name in _NAMES.items()
}
_IS_ONE = orders.c.id.in_(bindparam("ids", expanding=True))
_READ = select(orders, _CLIENT.label("client")).join(accounts.table).where(_IS_ONE)
_DOCUMENTS = select(orders.c.id, orders.c.document).where(_IS_ONE).with_for_update()
_OPEN = select(orders.c.id).where(_IS_ONE, orders.c.lab_status.not_in(FINAL_STATUSES))
_BLANK = (
    update(orders)
    .where(orders.c.id == bindparam("where_id"))
    .values(
        document=bindparam("document"),
        warnings=None,
        traced=None,
        first_last=None,
        last_first=None,
        cancel_reason=None,
        tracking_code=None,
        tracking_number=None,
        erased_at=bindparam("erased_at"),
    )
)
_OF_HISTORY = order_history.c.order_id.in_(bindparam("ids", expanding=True))
_OF_MESSAGES = messages.c.order_id.in_(bindparam("ids", expanding=True))
_READS = {
    "history": select(order_history).where(_OF_HISTORY).order_by(order_history.c.at),
    "messages": select(messages).where(_OF_MESSAGES).order_by(messages.c.created_at),
}
_OLD = (
    select(orders.c.id)
    .where(
        orders.c.id > bindparam("after"),
        orders.c.lab_status.in_(FINAL_STATUSES),
        orders.c.updated_at <= bindparam("before"),
        orders.c.erased_at.is_(None),
    )
    .order_by(orders.c.id)
)


def find_orders_of_person(tx: Connection, kind: str, value: str, client: str | None) -> list[str]:
    """Return the ids of a patient's orders, of all clients or of one."""
    matches, found, after = build_matcher(kind, value), [], ""
    while rows := tx.execute(_SCANS[kind], {"after": after}).all():
        found += [row.id for row in rows if matches(row.found) and client in (None, row.name)]
        after = rows[-1].id
    return found


def read_orders(tx: Connection, ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return all columns of orders, and their client."""
    return [dict(row._mapping) for row in tx.execute(_READ, {"ids": list(ids)})]


def read_lives(tx: Connection, ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Return what became of orders, and the messages about them."""
    return {
        name: [dict(row._mapping) for row in tx.execute(query, {"ids": list(ids)})]
        for name, query in _READS.items()
    }


def list_open_orders(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Return those that are drafts, wait for their transmission, or are at work in a lab."""
    return list(tx.execute(_OPEN, {"ids": list(ids)}).scalars())


def blank_orders(tx: Connection, ids: Sequence[str], now: datetime) -> None:
    """Blank the personal fields of orders, and forget the names that they are found by.

    What has not been sent to their patients is not sent any more.
    """
    rows = tx.execute(_DOCUMENTS, {"ids": list(ids)}).all()
    blanked = [
        {"where_id": row.id, "document": blank_order(row.document), "erased_at": now}
        for row in rows
    ]
    if blanked:
        tx.execute(_BLANK, blanked)
        tx.execute(delete(name_words).where(name_words.c.order_id.in_(ids)))
        key = {"ids": list(ids)}
        tx.execute(update(order_history).where(_OF_HISTORY).values(lab_word=None), key)
        erase_messages(tx, messages, _OF_MESSAGES, key, now)


def find_old_orders(tx: Connection, before: datetime, after: str, limit: int) -> list[str]:
    """Return shipped, picked up and cancelled orders that nobody changed since a moment, by id."""
    key = {"after": after, "before": before}
    return list(tx.execute(_OLD.limit(limit), key).scalars())

"""What is kept of a patient: found by e-mail address or phone number, read, and blanked.

An order's patient is whoever its document names. Blanking keeps the row, its lab, its status, its
numbers and its catalog choices, and removes name, addresses, prescription, tracing, free text, the
tracking link and unsent messages.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from chassis.notices.queue import erase_messages
from chassis.persons import (
    EMAIL,
    PERSON_REF,
    PHONE,
    SCAN_BATCH,
    build_matcher,
    ensure_one_owner,
)
from chassis.store.encryption.columns import find_keyring
from orders_svc.rules.lab_status import FINAL_STATUSES
from orders_svc.rules.persons import blank_order
from orders_svc.store.personal import HISTORY, ORDERS, QUEUE
from orders_svc.store.tables import accounts, messages, order_history, orders
from orders_svc.store.words import delete_words

SEALED_SCAN_BATCH = 500  # rows whose documents are opened at once
KINDS = (EMAIL, PHONE, PERSON_REF)
_NAMES = {EMAIL: "email", PHONE: "phone_number"}
_CLIENT = accounts.table.c.name
_SCAN = (
    select(orders.c.id, _CLIENT)
    .join(accounts.table)
    .where(orders.c.id > bindparam("after"))
    .order_by(orders.c.id)
)
_SCANS = {
    kind: _SCAN.add_columns(orders.c.document["patient"][name].as_string().label("found")).limit(
        SCAN_BATCH
    )
    for kind, name in _NAMES.items()
}
_BY_REF = (
    select(orders.c.id, _CLIENT)
    .join(accounts.table)
    .where(orders.c.person_ref == bindparam("person_ref"))
    .order_by(orders.c.id)
)
# Sealed documents come whole, with their tracings.
_SEALED_SCAN = _SCAN.add_columns(orders.c.document).limit(SEALED_SCAN_BATCH)
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
        person_ref=None,
        erased_at=bindparam("erased_at"),
    )
)
_OF_HISTORY = order_history.c.order_id.in_(bindparam("ids", expanding=True))
_OF_MESSAGES = messages.c.order_id.in_(bindparam("ids", expanding=True))
_READS = {
    "history": (
        HISTORY,
        select(order_history).where(_OF_HISTORY).order_by(order_history.c.at),
    ),
    "messages": (
        QUEUE.personal,
        select(messages).where(_OF_MESSAGES).order_by(messages.c.created_at),
    ),
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


class _Contact(NamedTuple):
    """An order, its client, and an e-mail address or phone number of its patient."""

    id: str
    client: str
    found: str | None


def find_orders_of_person(tx: Connection, kind: str, value: str, client: str | None) -> list[str]:
    """Return the ids of a patient's orders, of all clients or of one."""
    if kind == PERSON_REF:
        return _find_by_ref(tx, value, client)
    matches, found, after = build_matcher(kind, value), list[str](), ""
    while rows := _scan(tx, kind, after):
        found += [row.id for row in rows if matches(row.found) and client in (None, row.client)]
        after = rows[-1].id
    return found


def _find_by_ref(tx: Connection, person_ref: str, client: str | None) -> list[str]:
    found = tx.execute(_BY_REF, {"person_ref": person_ref}).all()
    found = [row for row in found if client in (None, row.name)]
    ensure_one_owner(PERSON_REF, (row.name for row in found))
    return [row.id for row in found]


def _scan(tx: Connection, kind: str, after: str) -> list[_Contact]:
    """Return what the next orders in order of their ids say of their patients."""
    if find_keyring(tx) is None:
        return [_Contact(*row) for row in tx.execute(_SCANS[kind], {"after": after})]
    rows = ORDERS.open_all(tx, tx.execute(_SEALED_SCAN, {"after": after}))
    return [_Contact(row.id, row.name, row.document["patient"].get(_NAMES[kind])) for row in rows]


def read_orders(tx: Connection, ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return all columns of orders, and their client."""
    rows = ORDERS.open_all(tx, tx.execute(_READ, {"ids": list(ids)}))
    return [dict(row._mapping) for row in rows]


def read_lives(tx: Connection, ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Return what became of orders, and the messages about them."""
    key = {"ids": list(ids)}
    return {
        name: [dict(row._mapping) for row in personal.open_all(tx, tx.execute(query, key))]
        for name, (personal, query) in _READS.items()
    }


def list_open_orders(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Return those that are drafts, wait for their transmission, or are at work in a lab."""
    return list(tx.execute(_OPEN, {"ids": list(ids)}).scalars())


def blank_orders(tx: Connection, ids: Sequence[str], now: datetime) -> None:
    """Blank the personal fields of orders, and forget the names that they are found by.

    What has not been sent to their patients is not sent any more.
    """
    rows = ORDERS.open_all(tx, tx.execute(_DOCUMENTS, {"ids": list(ids)}))
    blanked = [
        {
            **ORDERS.seal(tx, {"document": blank_order(row.document)}, row._mapping),
            "where_id": row.id,
            "erased_at": now,
        }
        for row in rows
    ]
    if blanked:
        tx.execute(_BLANK, blanked)
        delete_words(tx, ids)
        key = {"ids": list(ids)}
        tx.execute(update(order_history).where(_OF_HISTORY).values(lab_word=None), key)
        erase_messages(tx, messages, _OF_MESSAGES, key, now)


def find_old_orders(tx: Connection, before: datetime, after: str, limit: int) -> list[str]:
    """Return shipped, picked up and cancelled orders that nobody changed since a moment, by id."""
    key = {"after": after, "before": before}
    return list(tx.execute(_OLD.limit(limit), key).scalars())

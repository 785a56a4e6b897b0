"""Orders: adding, reading and changing them.

Each change is one statement that includes its condition: of two at once, one wins.
"""

import re
import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from google.protobuf.message import Message
from sqlalchemy import (
    Boolean,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from chassis.audit import trail as audit_trail
from chassis.context import Account, get_current_call, note_ids, utc_now
from chassis.errors import NotFound
from chassis.server import idempotency
from chassis.server.preconditions import has_version
from chassis.store.prepared import Prepared
from orders_svc.rules.lab_status import LAB_STATUSES, LabStatus
from orders_svc.rules.warnings.review import Review
from orders_svc.store.horizon import WRITTEN_AT, find_time_of_write, is_live
from orders_svc.store.personal import ORDERS
from orders_svc.store.tables import audit, idempotency_keys, orders, user_labs, users
from orders_svc.store.transport.jobs import join_job
from orders_svc.store.words import add_words, build_name_columns, delete_words

BuildAnswer = Callable[[Mapping[str, Any]], Message]  # of an order's row
ORDER_ID = re.compile(r"ord_[0-9a-f]{24}")

# The client's orders that went to a lab of the user, whichever user of the client made them.
VISIBLE = and_(
    orders.c.account_id == bindparam("where_account_id"),
    exists().where(
        user_labs.c.user_id == bindparam("where_user_id"),
        user_labs.c.lab_id == orders.c.lab_id,
        user_labs.c.account_number == orders.c.account_number,
    ),
)
BY_ID = orders.c.id == bindparam("where_id")
IS_DRAFT = orders.c.lab_status == LabStatus.DRAFT
# Waits for its transmission, and may still be changed.
IS_HELD = and_(
    orders.c.lab_status == LabStatus.PENDING_TRANSMISSION,
    orders.c.transmit_at > bindparam("where_now", type_=orders.c.transmit_at.type),
)
_ADD = insert(orders)
_ADD_PLAIN = Prepared(_ADD)
# At the moment of the write, by PostgreSQL's clock.
_MOMENTS = (orders.c.created_at, orders.c.updated_at, orders.c.submitted_at)
_NOW: dict[str, Any] = {
    "created_at": WRITTEN_AT,
    "updated_at": WRITTEN_AT,
    "submitted_at": case((bindparam("is_submitted", type_=Boolean), WRITTEN_AT)),
}
_ADD_NOW = _ADD.values(_NOW)
_ADD_PLAIN_NOW = Prepared(_ADD_NOW.returning(*_MOMENTS))
# Alone in its transaction; `_ADD_KEYED` keeps an answer, too, or does nothing: the key is taken.
_ADD_ALONE = Prepared(audit.combine(_ADD_NOW).returning(*_MOMENTS))
_CLAIM = idempotency_keys.build_claim()
_VALUES: dict[str, Any] = {
    each.name: bindparam(each.name, None, each.type)
    for each in orders.c
    if each.server_default is None
} | _NOW
_ADD_CLAIMED = _ADD.from_select(
    list(_VALUES), select(*_VALUES.values()).select_from(_CLAIM), include_defaults=False
)
_ADD_KEYED = Prepared(audit.combine(_ADD_CLAIMED, _CLAIM).returning(*_MOMENTS))
_WITH_CREATOR: Any = join_job(
    select(orders, users.c.email.label("user_email")).join(users, users.c.id == orders.c.user_id)
)
FIND_VISIBLE = Prepared(_WITH_CREATOR.where(BY_ID, VISIBLE))
IS_SUBMITTED = and_(orders.c.lab_status.in_(LAB_STATUSES), orders.c.submitted_at.is_not(None))
_FIND_SUBMITTED = _WITH_CREATOR.where(BY_ID, IS_SUBMITTED)
_SUBMIT = (
    update(orders)
    .where(BY_ID, VISIBLE, IS_DRAFT, orders.c.version == bindparam("where_version"))
    .returning(*orders.c)
)
_SUBMIT_NOW = _SUBMIT.values(submitted_at=WRITTEN_AT, updated_at=WRITTEN_AT)
_REPLACE = (
    update(orders)
    .where(BY_ID, VISIBLE, or_(IS_DRAFT, IS_HELD), orders.c.version == bindparam("where_version"))
    .returning(*orders.c)
)
_DELETE = delete(orders).where(BY_ID, VISIBLE, IS_DRAFT).returning(orders.c.original_id)
_UPDATE = (
    update(orders)
    .where(
        BY_ID,
        orders.c.submitted_at.is_not(None),
        orders.c.lab_status.in_(bindparam("where_lab_status", expanding=True)),
    )
    .returning(*orders.c)
)
# The client asked the lab to cancel the order, and waits for its answer.
IS_ASKED = and_(orders.c.client_cancelled_at.is_not(None), orders.c.cancel_answer.is_(None))
# A lab that cancels an order accepts a request to, if there is one.
_CANCEL_BY_LAB = _UPDATE.values(
    {"cancel_answer": case((IS_ASKED, "accepted"), else_=orders.c.cancel_answer)}
)


class Submission(NamedTuple):
    """When an order was submitted, and when it is transmitted: at once without a time."""

    now: datetime
    transmit_at: datetime | None

    def to_columns(self) -> dict[str, Any]:
        """Return the columns that a submission sets."""
        if self.transmit_at is None:
            return {"lab_status": LabStatus.SUBMITTED, "submitted_at": self.now}
        return {"lab_status": LabStatus.PENDING_TRANSMISSION, "transmit_at": self.transmit_at}


def add_order(
    tx: Connection,
    account: Account,
    user_id: int,
    order: Mapping[str, Any],
    review: Review,
    submission: Submission,
    original_id: str | None = None,
    *,
    answer_alone: BuildAnswer | None = None,
) -> dict[str, Any]:
    """Add an order and return its row.

    With `answer_alone` one statement adds the call's audit entry, too, and keeps the answer under
    the call's idempotency key; it raises KeyTaken. That is for PostgreSQL, for orders of now, and
    for names without further words, not hashed.
    """
    row = {
        "id": "ord_" + secrets.token_hex(12),
        "account_id": account.id,
        "user_id": user_id,
        "lab_status": LabStatus.DRAFT,
        "submitted_at": None,
        "created_at": submission.now,
        **_build_columns(tx, order, review, submission.now),
    }
    if order["mode"] != "draft":
        row |= submission.to_columns()
    if original_id is not None:
        row["original_id"] = original_id
    note_ids(row["id"])
    if answer_alone is not None:
        _insert_alone(tx, row, answer_alone(row))
        return row
    _insert(tx, row, ORDERS.seal(tx, row))
    add_words(tx, account.id, row["id"], order["patient"])
    return row


def _insert_alone(tx: Connection, row: dict[str, Any], answer: Message) -> None:
    values = row | audit_trail.build_parameters()
    if get_current_call().idempotency_key:
        values |= idempotency.build_parameters(answer)
        if not _insert_now(tx, row, values, _ADD_KEYED):
            raise idempotency.KeyTaken
    else:
        _insert_now(tx, row, values, _ADD_ALONE)


def _insert(tx: Connection, row: dict[str, Any], values: dict[str, Any]) -> None:
    """Insert an order, created at the moment of the write: see `orders_svc.store.horizon`.

    History that is brought in keeps its time.
    """
    live = is_live(row["created_at"])
    if live and tx.dialect.name == "sqlite":
        now = utc_now()
        moments = {each.name: now for each in _MOMENTS if row[each.name] is not None}
        row |= moments
        _ADD_PLAIN.execute(tx, values | moments)
    elif live:
        _insert_now(tx, row, values, _ADD_PLAIN_NOW)
    else:
        _ADD_PLAIN.execute(tx, values)


def _insert_now(
    tx: Connection, row: dict[str, Any], values: dict[str, Any], statement: Prepared
) -> bool:
    """Insert an order at the moment of PostgreSQL's clock; returns whether it was inserted."""
    given = {name: each for name, each in values.items() if name not in _NOW}
    given["is_submitted"] = row["submitted_at"] is not None
    added = statement.first(tx, given)
    if added is not None:
        row |= added._mapping
    return added is not None


def _build_columns(
    tx: Connection, order: Mapping[str, Any], review: Review, now: datetime
) -> dict[str, Any]:
    return {
        "lab_id": order["lab"],
        "account_number": order["account_number"],
        "document": order,
        "warnings": review.warnings or None,
        "traced": review.traced or None,
        "updated_at": now,
        "person_ref": order["patient"].get("person_ref"),
        **build_name_columns(tx, order["patient"]),
    }


def get_order(tx: Connection, account: Account, user_id: int, order_id: str) -> Row[Any]:
    """Return an order that the user sees; raises NotFound."""
    key = {"where_id": order_id, **bind_visible(account, user_id)}
    row = FIND_VISIBLE.first(tx, key) if note_order(order_id) else None
    if row is None:
        raise NotFound("You have no such order.")
    return ORDERS.open(tx, row)


def get_submitted_order(tx: Connection, order_id: str) -> Row[Any]:
    """Return an order of any client that was submitted to a lab; raises NotFound."""
    key = {"where_id": order_id}
    row = tx.execute(_FIND_SUBMITTED, key).first() if note_order(order_id) else None
    if row is None:
        raise NotFound("There is no such order.")
    return ORDERS.open(tx, row)


def submit_draft(
    tx: Connection,
    account: Account,
    user_id: int,
    draft: Row[Any],
    document: Mapping[str, Any],
    review: Review,
    submission: Submission,
) -> Row[Any] | None:
    """Submit a draft as it was read; None if it has changed since."""
    values = {
        "document": document,
        "warnings": review.warnings or None,
        "traced": review.traced or None,
        "updated_at": submission.now,
        **submission.to_columns(),
    }
    statement = _SUBMIT
    if "submitted_at" in values:
        at = find_time_of_write(tx, submission.now)
        statement = _SUBMIT if at else _SUBMIT_NOW
        for name in ("submitted_at", "updated_at"):
            del values[name]
            if at:
                values[name] = at
    sealed = ORDERS.seal(tx, values, {"id": draft.id})
    key = {"where_id": draft.id, "where_version": draft.version, **bind_visible(account, user_id)}
    return ORDERS.open_first(tx, tx.execute(statement, sealed | key).first())


def replace_document(
    tx: Connection,
    account: Account,
    user_id: int,
    found: Row[Any],
    order: Mapping[str, Any],
    review: Review,
    now: datetime,
) -> Row[Any] | None:
    """Replace the document of an order that may be edited; None if it changed since it was read."""
    order_id = found.id
    key = {"where_id": order_id, "where_version": found.version, "where_now": now}
    values = {**_build_columns(tx, order, review, now), "erased_at": None}
    sealed = ORDERS.seal(tx, values, {"id": order_id})
    row = tx.execute(_REPLACE, sealed | key | bind_visible(account, user_id)).first()
    if row is not None:
        delete_words(tx, [order_id])
        add_words(tx, account.id, order_id, order["patient"])
    return ORDERS.open_first(tx, row)


def delete_draft(
    tx: Connection, account: Account, user_id: int, order_id: str, versions: Collection[int] | None
) -> Row[Any] | None:
    """Delete a draft, and return the id of its original; None if it is in no such version.

    Its original, which lists it, has a new version.
    """
    key = {"where_id": order_id, **bind_visible(account, user_id)}
    statement = _DELETE.where(has_version(orders.c.version, versions))
    row = tx.execute(statement, key).first()
    if row is not None and row.original_id is not None:
        note_ids(row.original_id)
        is_original = and_(orders.c.id == row.original_id, orders.c.has_copies)
        tx.execute(update(orders).where(is_original).values(version=orders.c.version + 1))
    return row


def change_order(
    tx: Connection,
    order_id: str,
    sources: Collection[LabStatus],
    values: Mapping[str, Any],
    now: datetime,
) -> Row[Any] | None:
    """Change columns of an order whose lab_status is among `sources`; None if it is not."""
    if not note_order(order_id):
        return None
    key = {"where_id": order_id, "where_lab_status": sorted(sources)}
    statement = _UPDATE
    if values.get("lab_status") == LabStatus.CANCELLED:
        statement, values = _CANCEL_BY_LAB, {**values, "lab_cancelled_at": now}
    sealed = ORDERS.seal(tx, {**values, "updated_at": now}, {"id": order_id})
    return ORDERS.open_first(tx, tx.execute(statement, sealed | key).first())


def bind_visible(account: Account, user_id: int) -> dict[str, Any]:
    """Return the parameters of `VISIBLE`."""
    return {"where_account_id": account.id, "where_user_id": user_id}


def note_order(text: str) -> bool:
    """Note an order's id for the audit trail; False for anything else."""
    is_id = ORDER_ID.fullmatch(text) is not None
    if is_id:
        note_ids(text)
    return is_id

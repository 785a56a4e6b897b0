"""Monthly payments and their ledger. Whoever changes one holds its subscription's lock."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    bindparam,
    case,
    func,
    select,
    update,
)

from chassis.context import get_current_call
from chassis.errors import AlreadyExists, NotFound
from chassis.pages import compute_page_offset
from chassis.store.database import COUNTED, add_if_absent
from subscriptions_svc.rules.paying.payments import OUTSTANDING, PaymentState
from subscriptions_svc.rules.statuses import PaymentStatus
from subscriptions_svc.store.paying.tables import payment_entries, payments
from subscriptions_svc.store.subscriptions import NOBODY, UUID_PATTERN, find_subscription
from subscriptions_svc.store.tables import subscriptions

BY_HAND, IMPORT = "by_hand", "import"
DUE, TAKEN, FAILED, REFUNDED = (each.value for each in PaymentState)
_OUTSTANDING = [each.value for each in OUTSTANDING]
_FIND = select(payments).where(payments.c.id == bindparam("id"))
_OF_SUBSCRIPTION = (
    select(payments)
    .where(payments.c.subscription_id == bindparam("subscription_id"))
    .order_by(payments.c.month)
)
_IS_IT = payments.c.id == bindparam("where_id")
_AMOUNT = bindparam("where_amount", type_=BigInteger())
_LEFT = payments.c.taken - payments.c.refunded - payments.c.refunding
_TAKE = update(payments).where(_IS_IT).values(state=TAKEN, taken=payments.c.taken + _AMOUNT)
_FAIL = update(payments).where(_IS_IT, payments.c.state.in_(_OUTSTANDING)).values(state=FAILED)
_MOVE = update(payments).where(_IS_IT, payments.c.state.in_(_OUTSTANDING))
_RESERVE = (
    update(payments)
    .where(_IS_IT, _LEFT >= _AMOUNT)
    .values(refunding=payments.c.refunding + _AMOUNT)
)
_RELEASE = update(payments).where(_IS_IT).values(refunding=payments.c.refunding - _AMOUNT)
_IS_ALL_BACK = payments.c.refunded + _AMOUNT == payments.c.taken
_REFUND = (
    update(payments)
    .where(_IS_IT, _LEFT >= _AMOUNT)
    .values(
        refunded=payments.c.refunded + _AMOUNT,
        state=case((_IS_ALL_BACK, REFUNDED), else_=payments.c.state),
    )
)
_FOLLOW = (
    update(subscriptions)
    .where(
        subscriptions.c.id == bindparam("where_id"),
        subscriptions.c.payment_status != bindparam("payment_status"),
    )
    .values(payment_status=bindparam("payment_status"))
    .execution_options(**COUNTED)
)
_ENTRY = select(payment_entries).where(
    payment_entries.c.merchant_id == bindparam("merchant_id"),
    payment_entries.c.method == bindparam("method"),
    payment_entries.c.reference == bindparam("reference"),
)


class Booking(NamedTuple):
    """How money moved, or did not: the method, its reference there, and the day of the books."""

    method: str
    reference: str | None
    day: date


def add_payment(
    tx: Connection, subscription: Row[Any], month: int, amount: int, due_on: date, now: datetime
) -> str | None:
    """Open the payment of a month; returns its id, or None when the month has one."""
    row = {
        "id": str(uuid.uuid4()),
        "subscription_id": subscription.id,
        "merchant_id": subscription.merchant_id,
        "month": month,
        "amount": amount,
        "currency": subscription.currency,
        "due_on": due_on,
        "state": DUE,
        "created_at": now,
    }
    return str(row["id"]) if add_if_absent(tx, payments, row) else None


def find_payment(tx: Connection, payment_id: str) -> Row[Any]:
    """Return a payment; raises NotFound."""
    found = None
    if UUID_PATTERN.fullmatch(payment_id):
        found = tx.execute(_FIND, {"id": payment_id}).first()
    if found is None:
        raise NotFound("There is no such payment.")
    return found


def list_of_subscription(tx: Connection, subscription_id: str) -> Sequence[Row[Any]]:
    """Return the payments of a subscription, by month."""
    return tx.execute(_OF_SUBSCRIPTION, {"subscription_id": subscription_id}).all()


def lock_payment(tx: Connection, payment_id: str) -> tuple[Row[Any], Row[Any]]:
    """Return a payment and its subscription, which is locked; raises NotFound."""
    found = find_payment(tx, payment_id)
    subscription = find_subscription(tx, found.subscription_id, NOBODY, lock=True)
    return find_payment(tx, payment_id), subscription


def read_payments(
    tx: Connection, filters: Mapping[str, str], page: int, per_page: int
) -> tuple[Sequence[Row[Any]], int]:
    """Return a page of payments, the oldest due first, and how many there are."""
    columns = {name: value for name, value in filters.items() if name in payments.c}
    wanted = [payments.c[name] == value for name, value in columns.items() if value]
    if "person_ref" in filters:
        is_person = subscriptions.c.person_ref == filters["person_ref"]
        wanted.append(payments.c.subscription_id.in_(select(subscriptions.c.id).where(is_person)))
    query = select(payments).where(*wanted).order_by(payments.c.due_on, payments.c.id)
    window = query.limit(per_page).offset(compute_page_offset(page, per_page))
    total: int = tx.execute(select(func.count()).select_from(payments).where(*wanted)).scalar_one()
    return tx.execute(window).all(), total


def take(tx: Connection, payment: Row[Any], amount: int, booking: Booking, now: datetime) -> None:
    """Record that money was taken for a payment: what it amounts to, or what a provider took."""
    tx.execute(_TAKE, {"where_id": payment.id, "where_amount": amount})
    _book(tx, payment, TAKEN, amount, booking, now)


def fail(tx: Connection, payment: Row[Any], booking: Booking, now: datetime) -> bool:
    """Record that a payment failed, perhaps again; False, and no entry, once it is taken."""
    if not _apply(tx, _FAIL, payment):
        return False
    _book(tx, payment, FAILED, payment.amount, booking, now)
    return True


def refund(tx: Connection, payment: Row[Any], amount: int, booking: Booking, now: datetime) -> bool:
    """Record that money went back; False, and no entry, for more than is left."""
    if not _apply(tx, _REFUND, payment, where_amount=amount):
        return False
    _book(tx, payment, REFUNDED, amount, booking, now)
    return True


def reserve(tx: Connection, payment: Row[Any], amount: int) -> bool:
    """Set money aside that is on its way back; False for more than is left."""
    return _apply(tx, _RESERVE, payment, where_amount=amount)


def release(tx: Connection, payment: Row[Any], amount: int) -> None:
    """End what `reserve` began, before the refund is recorded or since it failed."""
    _apply(tx, _RELEASE, payment, where_amount=amount)


def move(tx: Connection, payment: Row[Any], due_on: date) -> bool:
    """Move the day on which an outstanding payment is due."""
    return _apply(tx, _MOVE.values(due_on=due_on), payment)


def set_status(tx: Connection, subscription_id: str, status: PaymentStatus) -> bool:
    """Set the payment status of a subscription, ended or not; returns whether it has changed."""
    key = {"where_id": subscription_id, "payment_status": status.value}
    return tx.execute(_FOLLOW, key).rowcount == 1


def find_entry(tx: Connection, merchant_id: str, method: str, reference: str) -> Row[Any] | None:
    """Return the entry of the ledger that has a reference."""
    key = {"merchant_id": merchant_id, "method": method, "reference": reference}
    return tx.execute(_ENTRY, key).first()


def _apply(tx: Connection, statement: Any, payment: Row[Any], **values: Any) -> bool:
    counted = statement.execution_options(**COUNTED)
    return bool(tx.execute(counted, {"where_id": payment.id, **values}).rowcount == 1)


def _book(
    tx: Connection, payment: Row[Any], kind: str, amount: int, booking: Booking, now: datetime
) -> None:
    """Add an entry to the ledger; raises AlreadyExists for a reference that names another one."""
    call = get_current_call()
    row = {
        "payment_id": payment.id,
        "merchant_id": payment.merchant_id,
        "kind": kind,
        "amount": amount,
        "method": booking.method,
        "reference": booking.reference,
        "booked_on": booking.day,
        "account_id": call.account and call.account.id,
        "request_id": call.request_id,
        "recorded_at": now,
    }
    if not add_if_absent(tx, payment_entries, row):
        raise AlreadyExists("Another entry of the ledger has this reference.")


_STATEMENT = (
    select(
        payment_entries,
        payments.c.month,
        payments.c.currency,
        payments.c.due_on,
        subscriptions.c.id.label("subscription_id"),
        subscriptions.c.reference.label("subscription_reference"),
        subscriptions.c.contract_number,
        subscriptions.c.store_ref,
    )
    .join(payments, payment_entries.c.payment_id == payments.c.id)
    .join(subscriptions, payments.c.subscription_id == subscriptions.c.id)
    .where(
        payment_entries.c.merchant_id == bindparam("merchant_id"),
        payment_entries.c.booked_on >= bindparam("first"),
        payment_entries.c.booked_on <= bindparam("last"),
    )
    .order_by(payment_entries.c.booked_on, payment_entries.c.id)
)
_SUMS = (
    select(
        payments.c.id,
        payments.c.taken,
        payments.c.refunded,
        func.coalesce(
            func.sum(case((payment_entries.c.kind == TAKEN, payment_entries.c.amount), else_=0)), 0
        ).label("entries_taken"),
        func.coalesce(
            func.sum(case((payment_entries.c.kind == REFUNDED, payment_entries.c.amount), else_=0)),
            0,
        ).label("entries_refunded"),
    )
    .join(payment_entries, payment_entries.c.payment_id == payments.c.id, isouter=True)
    .group_by(payments.c.id, payments.c.taken, payments.c.refunded)
)


def read_entries(tx: Connection, merchant_id: str, first: date, last: date) -> Sequence[Row[Any]]:
    """Return a merchant's entries of the days from `first` to `last`, oldest first."""
    key = {"merchant_id": merchant_id, "first": first, "last": last}
    return tx.execute(_STATEMENT, key).all()


def find_wrong_sums(tx: Connection) -> list[tuple[str, int, int, int, int]]:
    """Return payments whose sums are not those of their ledger: id, taken, refunded, and both."""
    sums = _SUMS.subquery()
    differs = (sums.c.taken != sums.c.entries_taken) | (sums.c.refunded != sums.c.entries_refunded)
    return [tuple(row) for row in tx.execute(select(sums).where(differs).order_by(sums.c.id))]

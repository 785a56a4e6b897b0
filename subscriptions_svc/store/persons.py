"""What is kept of a shopper: found by e-mail address, phone or identity number, read, and blanked.

Blanking keeps subscriptions with their references, statuses, items, prices, ledger and settlements;
it removes the shopper's details, search words, messages, the powers of prescriptions, links of
pages for payments, the words of warranty events, reasons of cancellations, and discounts: they are
free JSON, in which a name may stand.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    union_all,
    update,
)

from chassis.notices.queue import erase_messages
from chassis.persons import (
    EMAIL,
    NIN,
    PERSON_REF,
    PHONE,
    SCAN_BATCH,
    build_matcher,
    ensure_one_owner,
)
from subscriptions_svc.rules.statuses import Status
from subscriptions_svc.rules.words import find_words
from subscriptions_svc.store.paying.tables import charges, payment_entries, payments
from subscriptions_svc.store.personal import (
    CANCELLATIONS,
    SHOPPER_COLUMNS,
    SUBSCRIPTIONS,
    TABLES,
)
from subscriptions_svc.store.reminding.tables import reminders
from subscriptions_svc.store.subscriptions import IS_OVER
from subscriptions_svc.store.tables import (
    box_deliveries,
    box_outcomes,
    cancellations,
    cancelled_items,
    cart_items,
    graduation_changes,
    messages,
    pending_carts,
    prescriptions,
    subscription_words,
    subscriptions,
    warranty_events,
)

KINDS = (EMAIL, PHONE, NIN, PERSON_REF)
_COLUMNS = {EMAIL: "email", PHONE: "mobile_phone", NIN: "nin"}
_SCANS = {
    kind: select(subscriptions.c.id, subscriptions.c.merchant_id, subscriptions.c[name])
    .where(subscriptions.c.id > bindparam("after"))
    .order_by(subscriptions.c.id)
    .limit(SCAN_BATCH)
    for kind, name in _COLUMNS.items()
}
_BY_REF = (
    select(subscriptions.c.id, subscriptions.c.merchant_id)
    .where(subscriptions.c.person_ref == bindparam("person_ref"))
    .order_by(subscriptions.c.id)
)
_IDS: BindParameter[Any] = bindparam("ids", type_=String(), expanding=True)
_IS_ONE = subscriptions.c.id.in_(_IDS)
_ENDED = or_(subscriptions.c.status.in_([Status.CANCELLED.value, Status.FINISHED.value]), IS_OVER)
_OF_ITEMS = select(cart_items.c.id).where(cart_items.c.subscription_id.in_(_IDS))
_OF_PAYMENTS = select(payments.c.id).where(payments.c.subscription_id.in_(_IDS))
# Every cart that these subscriptions have or had.
_CARTS = union_all(
    select(subscriptions.c.cart_id).where(_IS_ONE),
    select(pending_carts.c.id).where(pending_carts.c.subscription_id.in_(_IDS)),
    select(cart_items.c.added_in).where(
        cart_items.c.subscription_id.in_(_IDS), cart_items.c.added_in.is_not(None)
    ),
    select(cart_items.c.removed_in).where(
        cart_items.c.subscription_id.in_(_IDS), cart_items.c.removed_in.is_not(None)
    ),
)
_OLD = (
    select(subscriptions.c.id)
    .join(cancellations, cancellations.c.subscription_id == subscriptions.c.id, isouter=True)
    .where(
        subscriptions.c.id > bindparam("after"),
        subscriptions.c.erased_at.is_(None),
        or_(
            and_(
                subscriptions.c.status == Status.CANCELLED.value,
                func.coalesce(cancellations.c.cancelled_at, subscriptions.c.created_at)
                <= bindparam("before"),
            ),
            and_(
                subscriptions.c.status.in_([Status.FINISHED.value, Status.ACTIVE.value]),
                subscriptions.c.renewal_at <= bindparam("before"),
            ),
        ),
    )
    .order_by(subscriptions.c.id)
)
_READS = {
    "cart_items": select(cart_items).where(cart_items.c.subscription_id.in_(_IDS)),
    "pending_carts": select(
        pending_carts.c.subscription_id, pending_carts.c.cart_items, pending_carts.c.proposed_at
    ).where(pending_carts.c.subscription_id.in_(_IDS)),
    "box_deliveries": select(box_deliveries).where(box_deliveries.c.subscription_id.in_(_IDS)),
    "prescriptions": select(prescriptions).where(prescriptions.c.subscription_id.in_(_IDS)),
    "box_outcomes": select(box_outcomes)
    .join(box_deliveries)
    .where(box_deliveries.c.subscription_id.in_(_IDS)),
    "cancellations": select(cancellations).where(cancellations.c.subscription_id.in_(_IDS)),
    "cancelled_items": select(cancelled_items).where(cancelled_items.c.item_id.in_(_OF_ITEMS)),
    "warranty_events": select(warranty_events).where(warranty_events.c.item_id.in_(_OF_ITEMS)),
    "graduation_changes": select(graduation_changes).where(
        graduation_changes.c.item_id.in_(_OF_ITEMS)
    ),
    "messages": select(messages).where(messages.c.cart_id.in_(_CARTS)),
    "payments": select(payments).where(payments.c.subscription_id.in_(_IDS)),
    "payment_entries": select(payment_entries).where(
        payment_entries.c.payment_id.in_(_OF_PAYMENTS)
    ),
    # Without links: whoever has one may act by it.
    "charges": select(
        *(each for each in charges.table.c if each.name not in ("details", "url"))
    ).where(charges.table.c.subject.in_(_OF_PAYMENTS)),
    "reminders": select(
        reminders.c.subscription_id, reminders.c.sent_at, reminders.c.stopped_at
    ).where(reminders.c.subscription_id.in_(_IDS)),
}
_PERSONAL = {each.table.name: each for each in TABLES}


def find_subscriptions_of_person(
    tx: Connection, kind: str, value: str, merchant_id: str | None
) -> list[str]:
    """Return the ids of a shopper's subscriptions, of all merchants or of one."""
    if kind == PERSON_REF:
        return _find_by_ref(tx, value, merchant_id)
    matches, found, after = build_matcher(kind, value), list[str](), ""
    while rows := tx.execute(_SCANS[kind], {"after": after}).all():
        opened = SUBSCRIPTIONS.open_all(tx, rows)
        found += [
            row.id
            for row in opened
            if matches(getattr(row, _COLUMNS[kind])) and merchant_id in (None, row.merchant_id)
        ]
        after = rows[-1].id
    return found


def _find_by_ref(tx: Connection, person_ref: str, merchant_id: str | None) -> list[str]:
    found = tx.execute(_BY_REF, {"person_ref": person_ref}).all()
    found = [row for row in found if merchant_id in (None, row.merchant_id)]
    ensure_one_owner(PERSON_REF, (row.merchant_id for row in found))
    return [row.id for row in found]


def read_subscriptions(tx: Connection, ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the rows of subscriptions and of what belongs to them, by table."""
    key = {"ids": list(ids)}
    columns = [each for each in subscriptions.c if each.name != "cart_code"]
    queries = {"subscriptions": select(*columns).where(_IS_ONE), **_READS}
    return {
        name: [dict(row._mapping) for row in _open_all(tx, name, tx.execute(query, key))]
        for name, query in queries.items()
    }


def _open_all(tx: Connection, name: str, rows: Iterable[Row[Any]]) -> Iterable[Row[Any]]:
    """Return rows of a table, opened if it has personal columns."""
    return _PERSONAL[name].open_all(tx, rows) if name in _PERSONAL else rows


def list_open_subscriptions(tx: Connection, ids: Sequence[str], now: datetime) -> list[str]:
    """Return those that have not ended."""
    query = select(subscriptions.c.id).where(_IS_ONE, ~_ENDED)
    return list(tx.execute(query, {"ids": list(ids), "now": now}).scalars())


def blank_subscriptions(tx: Connection, ids: Sequence[str], now: datetime) -> None:
    """Blank the personal fields of subscriptions; they are still found by their references."""
    key = {"ids": list(ids)}
    blank = dict.fromkeys((*SHOPPER_COLUMNS, "person_ref"))
    blanked = update(subscriptions).where(_IS_ONE).values(**blank, discounts=None, erased_at=now)
    tx.execute(blanked, key)
    _index_references(tx, ids)
    erase_messages(tx, messages, messages.c.cart_id.in_(_CARTS), key, now)
    prescribed = prescriptions.c.subscription_id.in_(_IDS)
    tx.execute(update(prescriptions).where(prescribed).values(details=null()), key)
    charges.erase(tx, list(tx.execute(_OF_PAYMENTS, key).scalars()))
    for subscription_id in ids:
        is_it = cancellations.c.subscription_id == subscription_id
        blank = CANCELLATIONS.seal(tx, {"reason": ""}, {"subscription_id": subscription_id})
        tx.execute(update(cancellations).where(is_it).values(blank))
    of_items = warranty_events.c.item_id.in_(_OF_ITEMS)
    tx.execute(update(warranty_events).where(of_items).values(name=None, description=None), key)


def find_old_subscriptions(tx: Connection, before: datetime, after: str, limit: int) -> list[str]:
    """Return subscriptions that were cancelled or had finished before a moment, by id."""
    key = {"after": after, "before": before}
    return list(tx.execute(_OLD.limit(limit), key).scalars())


def _index_references(tx: Connection, ids: Sequence[str]) -> None:
    """Replace the search words of subscriptions by those of their references."""
    columns = (subscriptions.c.id, subscriptions.c.merchant_id, subscriptions.c.reference)
    rows = tx.execute(select(*columns).where(_IS_ONE), {"ids": list(ids)}).all()
    tx.execute(delete(subscription_words).where(subscription_words.c.subscription_id.in_(ids)))
    words = [
        {"merchant_id": row.merchant_id, "subscription_id": row.id, "word": word}
        for row in rows
        for word in sorted(find_words({"reference": row.reference}))
    ]
    if words:
        tx.execute(insert(subscription_words), words)

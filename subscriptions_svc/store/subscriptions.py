"""Subscriptions: found and added. Their status is moved in `transitions`."""

import re
import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    select,
    union_all,
    update,
)

from chassis.context import Account, get_caller, note_ids
from chassis.errors import NotFound, Unauthenticated, WrongState
from chassis.store.database import add_if_absent, upsert
from chassis.store.encryption.columns import find_keyring
from chassis.store.prepared import Prepared
from subscriptions_svc.rules.carts import TOTAL_MONTHS
from subscriptions_svc.rules.settling.estimates import Credit
from subscriptions_svc.rules.shapes import parse_day
from subscriptions_svc.rules.shoppers import normalize_nin
from subscriptions_svc.rules.statuses import (
    LIVE,
    UNCONFIRMED,
    PaymentStatus,
    Status,
    derive_status,
)
from subscriptions_svc.store import personal
from subscriptions_svc.store.lists.words import HAS_HASHED_NIN, HAS_NIN, hash_nin, replace_words
from subscriptions_svc.store.messages import is_counted
from subscriptions_svc.store.tables import (
    account_merchants,
    cart_items,
    merchants,
    messages,
    pending_carts,
    subscription_totals,
    subscriptions,
)

NOBODY = Account(0, "", "")
NOT_CONFIRMED = "The shopper has not confirmed the cart."
NOT_PAID = "The subscription waits for payment."
ENDED = "The subscription has ended."
ABSENT = "There is no such subscription."
UUID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CODE_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,32}")
# Fields of a solicitation that are kept as they were sent.
_OPTIONAL = (
    "operator_ref",
    "person_ref",
    "given_names",
    "surnames",
    "mobile_phone",
    "email",
    "nin_control",
    "address",
    "postal_code",
    "city",
    "discounts",
)

# As rules.statuses.derive_status: an active subscription past its renewal is finished.
IS_OVER = and_(
    subscriptions.c.status == Status.ACTIVE.value, subscriptions.c.renewal_at <= bindparam("now")
)
STATUS = case((IS_OVER, Status.FINISHED.value), else_=subscriptions.c.status)
_LIVE = [status.value for status in LIVE]
_IS_OWN = exists().where(
    account_merchants.c.account_id == bindparam("account_id"),
    account_merchants.c.merchant_id == subscriptions.c.merchant_id,
)


def _count_messages(channel: str) -> ColumnElement[int]:
    """How many messages of a channel the waiting cart has had."""
    waiting = func.coalesce(pending_carts.c.id, subscriptions.c.cart_id)
    of_cart = (
        messages.c.cart_id == waiting,
        messages.c.channel == channel,
        is_counted(subscriptions.c.sms_resets),
        messages.c.reminder.is_(None),
    )
    return select(func.count()).where(*of_cart).scalar_subquery().label(f"{channel}_count")


SUBSCRIPTIONS = (
    select(
        *subscriptions.c,
        merchants.c.locale,
        merchants.c.currency,
        merchants.c.country,
        merchants.c.time_zone,
        merchants.c.terms_url,
        merchants.c.phone.label("shop_phone"),
        merchants.c.email.label("shop_email"),
        merchants.c.first_year_exchanges,
        merchants.c.withdrawal_days,
        merchants.c.prescription_policy,
        merchants.c.monthly_payments,
        merchants.c.reminders,
        func.coalesce(merchants.c.name, merchants.c.id).label("shop"),
        pending_carts.c.id.label("pending_id"),
        pending_carts.c.code.label("pending_code"),
        pending_carts.c.cart_items.label("pending_items"),
        _count_messages("email"),
        _count_messages("sms"),
    )
    .join(merchants)
    .join(pending_carts, isouter=True)
)
SUBSCRIPTION = SUBSCRIPTIONS.add_columns(_IS_OWN.label("is_own")).where(
    subscriptions.c.id == bindparam("id")
)
_FIND = Prepared(SUBSCRIPTION)
_LOCK = Prepared(SUBSCRIPTION.with_for_update(of=subscriptions))
_BY_CODE = union_all(
    select(subscriptions.c.id).where(subscriptions.c.cart_code == bindparam("code")),
    select(pending_carts.c.subscription_id).where(pending_carts.c.code == bindparam("code")),
)
_IS_MERCHANT = subscriptions.c.merchant_id == bindparam("merchant_id")


def _count_failed_payments(has_nin: ColumnElement[bool]) -> Select[int]:
    is_failed = subscriptions.c.payment_status == PaymentStatus.FAILED.value
    counted = select(func.count()).select_from(subscriptions)
    return counted.where(_IS_MERCHANT, has_nin, is_failed)


def _sum_owed(has_nin: ColumnElement[bool]) -> Select[Any]:
    total = func.sum(cart_items.c.price_with_tax * cart_items.c.quantity)
    return (
        select(func.coalesce(total, 0))
        .join(subscriptions)
        .where(
            _IS_MERCHANT,
            has_nin,
            STATUS.in_(_LIVE),
            cart_items.c.parent_id.is_(None),
            cart_items.c.removed_in.is_(None),
        )
    )


# What a shopper owes, and their failed payments: by whether identity numbers are hashed.
_CREDIT = {
    is_hashed: (_sum_owed(has_nin), _count_failed_payments(has_nin))
    for is_hashed, has_nin in ((False, HAS_NIN), (True, HAS_HASHED_NIN))
}


def find_subscription(
    tx: Connection, subscription_id: str, account: Account | None = None, *, lock: bool = False
) -> Row[Any]:
    """Return a subscription with its merchant's settings, whoever the merchant; raises NotFound.

    `is_own` is true for a merchant of the account, the caller's by default. With `lock` nobody else
    changes the subscription in the meantime. Its pending cart is as it was when the lock was asked
    for, so a statement that changes that cart carries its own condition.
    """
    found = (_LOCK if lock else _FIND).first(tx, build_key(subscription_id, account))
    if found is None:
        raise NotFound(ABSENT)
    return personal.SUBSCRIPTIONS.open(tx, found)


def find_own_subscription(tx: Connection, subscription_id: str, *, lock: bool = False) -> Row[Any]:
    """Return a subscription of the caller's merchants; raises NotFound, or Unauthenticated."""
    found = find_subscription(tx, subscription_id, lock=lock)
    ensure_own(found)
    return found


def build_key(subscription_id: str, account: Account | None = None) -> dict[str, Any]:
    """Return the parameters of SUBSCRIPTION, for the caller by default; raises NotFound."""
    if not UUID_PATTERN.fullmatch(subscription_id):
        raise NotFound(ABSENT)
    note_ids(subscription_id)
    return {"account_id": (account or get_caller()).id, "id": subscription_id}


def ensure_own(subscription: Row[Any]) -> None:
    """Raise Unauthenticated unless it is of a merchant of the account that it was found for."""
    if not subscription.is_own:
        raise Unauthenticated("Your account does not reference the subscription's merchant.")


def find_subscription_by_code(tx: Connection, code: str, *, lock: bool = False) -> Row[Any]:
    """Return the subscription of which a cart, in force or pending, has a code; raises NotFound."""
    id_ = tx.execute(_BY_CODE, {"code": code}).scalar() if CODE_PATTERN.fullmatch(code) else None
    found = find_subscription(tx, id_, NOBODY, lock=lock) if id_ else None
    if found is None or code not in (found.cart_code, found.pending_code):
        raise NotFound("There is no such cart, or another one has taken its place.")
    return found


def ensure_confirmed(subscription: Row[Any], now: datetime, *, reason: str | None = None) -> None:
    """Raise WrongState before the confirmation or its payment, and after the end."""
    ensure_live(subscription, now, reason=reason)
    if subscription.status == Status.WAITING_FOR_PAYMENT:
        raise WrongState(NOT_PAID, reason=reason)
    if Status(subscription.status) in UNCONFIRMED:
        raise WrongState(NOT_CONFIRMED, reason=reason)


def ensure_live(subscription: Row[Any], now: datetime, *, reason: str | None = None) -> None:
    """Raise WrongState after the end."""
    if derive_status(subscription.status, subscription.renewal_at, now) not in LIVE:
        raise WrongState(ENDED, reason=reason)


def find_credit(tx: Connection, merchant: Row[Any], nin: str, now: datetime) -> Credit:
    """Return what a merchant has seen of the shopper with an identity number."""
    note_ids(merchant.id)
    ring = find_keyring(tx)
    by_nin = hash_nin(ring, merchant.id, normalize_nin(nin))
    key = {"merchant_id": merchant.id, **by_nin}
    sum_owed, count_failed = _CREDIT[ring is not None]
    owed = tx.execute(sum_owed, {**key, "now": now}).scalar_one()
    failed = tx.execute(count_failed, key).scalar_one()
    return Credit(merchant.amount_limit, int(owed), failed)


_FINISH_REFERENCE = (
    update(subscriptions)
    .where(
        subscriptions.c.merchant_id == bindparam("where_merchant_id"),
        subscriptions.c.reference == bindparam("where_reference"),
        IS_OVER,
    )
    .values(status=Status.FINISHED.value)
)


_COUNT = upsert(subscription_totals, lambda new: {"total": subscription_totals.c.total + new.total})


def add_subscription(
    tx: Connection, values: Mapping[str, Any], renewal_months: int, now: datetime
) -> str | None:
    """Add a solicitation; returns its id, or None when a live one has its reference."""
    merchant = values["merchant"]
    key = {"where_merchant_id": merchant["id"], "where_reference": values["reference"]}
    tx.execute(_FINISH_REFERENCE, {**key, "now": now})
    id_ = str(uuid.uuid4())
    note_ids(id_)
    row = {
        **{name: values.get(name) for name in _OPTIONAL},
        "id": id_,
        "merchant_id": merchant["id"],
        "store_ref": merchant["store_ref"],
        "reference": values["reference"],
        "nin": normalize_nin(values["nin"]) if "nin" in values else None,
        "date_of_birth": parse_day(values.get("date_of_birth", "")),
        "status": Status.DRAFT.value,
        "payment_status": PaymentStatus.PENDING.value,
        "cart_id": str(uuid.uuid4()),
        "cart_code": generate_code(),
        "total_months": TOTAL_MONTHS,
        "renewal_months": renewal_months,
        "created_at": now,
    }
    sealed = personal.SUBSCRIPTIONS.seal(tx, row)
    return id_ if add_if_absent(tx, subscriptions, sealed) else None


def update_customer(tx: Connection, subscription: Row[Any], values: Mapping[str, Any]) -> bool:
    """Change fields of a subscription's customer; returns whether any differs.

    The caller holds the subscription's lock.
    """
    names = (*personal.SHOPPER_COLUMNS, "person_ref")
    fields = {name: values[name] for name in names if name in values}
    if "nin" in fields:
        fields["nin"] = normalize_nin(fields["nin"])
    if "date_of_birth" in fields:
        fields["date_of_birth"] = parse_day(fields["date_of_birth"])
    if all(getattr(subscription, name) == each for name, each in fields.items()):
        return False
    sealed = personal.SUBSCRIPTIONS.seal(tx, fields, subscription._mapping)
    changed = update(subscriptions).where(subscriptions.c.id == subscription.id)
    # There is something to erase again, should it have been erased.
    tx.execute(changed.values(**sealed, erased_at=None))
    replace_words(tx, find_subscription(tx, subscription.id, NOBODY))
    return True


def count_subscription(tx: Connection, merchant: Mapping[str, str]) -> None:
    """Count one more subscription of a store. Comes last, for others wait for the row."""
    row = {"merchant_id": merchant["id"], "store_ref": merchant["store_ref"], "total": 1}
    tx.execute(_COUNT, row)


def generate_code() -> str:
    """Generate a code for a cart link: 160 random bits.

    Whoever has it may see and confirm the cart. It is stored as it is, since the API
    returns it with every read of the subscription.
    """
    return secrets.token_urlsafe(20)

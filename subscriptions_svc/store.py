"""What is kept: the tables, and the queries on merchants and subscriptions. No rule and no message.

An account sees what belongs to its merchants. The status that is read here is
the one that counts at `now`: an active subscription whose months are over is
finished, without anybody having written so. Items are in `carts`, boxes are
counted in `boxes`, lists are filtered in `listing`.
"""

import re
import secrets
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    case,
    exists,
    func,
    null,
    select,
    text,
    update,
)

from chassis.accounts import Accounts, accounts_table
from chassis.calls import Account
from chassis.database import NAMING, Instant, add_if_absent
from chassis.idempotency import Answers, idempotency_table
from chassis.memory import changes_table
from chassis.outbox import Outbox
from subscriptions_svc.rules import (
    TOTAL_MONTHS,
    UNCONFIRMED,
    PaymentStatus,
    Status,
    parsed_day,
)

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # none looks like another
# Fields of a solicitation that are kept as they were sent.
_OPTIONAL = (
    "operator_ref",
    "given_names",
    "surnames",
    "mobile_phone",
    "email",
    "nin",
    "nin_control",
    "address",
    "postal_code",
    "city",
    "discounts",
)

metadata = MetaData(naming_convention=NAMING)
accounts = Accounts(accounts_table(metadata))
answers = Answers(idempotency_table(metadata))
changes = changes_table(metadata)
outbox = Outbox(metadata)

merchants = Table(
    "merchants",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("locale", String(35), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("country", String(2), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("name", String(255)),  # as shoppers know it; without one, the id
    Column("terms_url", String(2000)),
)
stores = Table(
    "stores",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("store_ref", String(255), primary_key=True),
)
account_merchants = Table(
    "account_merchants",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
)
_LIVE = text("status NOT IN ('cancelled', 'finished')")
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("store_ref", String(255), nullable=False),
    Column("reference", String(255), nullable=False),
    Column("operator_ref", String(255)),
    Column("given_names", String(255)),
    Column("surnames", String(255)),
    Column("mobile_phone", String(255)),
    Column("email", String(255)),
    Column("date_of_birth", Date),
    Column("nin", String(255)),
    Column("nin_control", String(255)),
    Column("address", String(255)),
    Column("postal_code", String(255)),
    Column("city", String(255)),
    Column("discounts", Text),  # a JSON array, as it was sent
    Column("search_text", Text, nullable=False),  # see searchable
    Column("status", String(32), nullable=False),
    Column("payment_status", String(16), nullable=False),
    Column("contract_number", String(16)),
    Column("cart_id", String(36), nullable=False),
    Column("cart_code", String(32), nullable=False, unique=True),
    Column("total_months", Integer, nullable=False),
    Column("created_at", Instant(), nullable=False),
    Column("confirmed_at", Instant()),
    Column("activated_at", Instant()),
    Column("renewal_at", Instant()),
    UniqueConstraint("merchant_id", "contract_number"),
    Index("ix_subscriptions_listing", "merchant_id", "created_at", "id"),
    Index(
        "uq_subscriptions_live_reference",
        "merchant_id",
        "reference",
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    ),
)
_IS_DUE = text("due_at IS NOT NULL")
cart_items = Table(
    "cart_items",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("reference_uuid", String(36), nullable=False, unique=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("position", Integer, nullable=False),  # a package stands before its items
    Column("parent_id", ForeignKey("cart_items.id")),
    Column("type", String(32), nullable=False),
    Column("reference", String(255)),
    Column("name", String(255), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price_with_tax", BigInteger, nullable=False),
    Column("subscription_price", BigInteger, nullable=False),
    Column("subscription_vat_rate", Integer),
    Column("eye", String(8)),
    Column("box_count", Integer),
    Column("exchange_cycle", Integer),
    Column("activated_at", Instant()),
    UniqueConstraint("subscription_id", "position"),
)
# Boxes of an item handed over in a subscription year; a cap that no statement can pass.
box_counters = Table(
    "box_counters",
    metadata,
    Column("item_id", ForeignKey("cart_items.id"), primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("box_count", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("last_delivered_at", Instant(), nullable=False),
    CheckConstraint("delivered BETWEEN 0 AND box_count", name="cap"),
)
# Who handed over what and when: rows are added and never changed.
box_deliveries = Table(
    "box_deliveries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False, index=True),
    Column("item_id", ForeignKey("cart_items.id"), nullable=False, index=True),
    Column("year", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("delivered_at", Instant(), nullable=False),
)
# Messages to shoppers; what one says is kept until it is sent or given up.
messages = Table(
    "messages",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("cart_id", String(36), nullable=False),
    Column("channel", String(8), nullable=False),
    Column("content", JSON),
    Column("created_at", Instant(), nullable=False),
    Column("due_at", Instant()),  # of what is not ended; while it is being sent, when that is over
    Column("tries", Integer, nullable=False),  # that were begun
    Column("outcome", String(8)),  # sent or failed
    Column("ended_at", Instant()),
    Index("ix_messages_cart_id_channel", "cart_id", "channel"),
    Index("ix_messages_due", "due_at", sqlite_where=_IS_DUE, postgresql_where=_IS_DUE),
)

_OVER = and_(
    subscriptions.c.status == Status.ACTIVE.value, subscriptions.c.renewal_at <= bindparam("now")
)
STATUS = case((_OVER, Status.FINISHED.value), else_=subscriptions.c.status)
_OWN = exists().where(
    account_merchants.c.account_id == bindparam("account_id"),
    account_merchants.c.merchant_id == subscriptions.c.merchant_id,
)
SUBSCRIPTIONS = select(
    *(each for each in subscriptions.c if each.name not in ("status", "search_text")),
    STATUS.label("status"),
    merchants.c.locale,
    merchants.c.currency,
    merchants.c.country,
    merchants.c.time_zone,
    merchants.c.terms_url,
    func.coalesce(merchants.c.name, merchants.c.id).label("shop"),
).join(merchants)
_SUBSCRIPTION = SUBSCRIPTIONS.add_columns(_OWN.label("is_own")).where(
    subscriptions.c.id == bindparam("subscription_id")
)
_LOCKED = _SUBSCRIPTION.with_for_update(of=subscriptions)
_MERCHANT = (
    select(merchants)
    .join(account_merchants)
    .where(
        merchants.c.id == bindparam("merchant_id"),
        account_merchants.c.account_id == bindparam("account_id"),
    )
)
_MERCHANTS = (
    select(merchants)
    .join(account_merchants)
    .where(account_merchants.c.account_id == bindparam("account_id"))
)
_STORE_REFS = select(stores.c.store_ref).where(stores.c.merchant_id == bindparam("merchant_id"))
_FINISH = (
    update(subscriptions)
    .where(
        subscriptions.c.merchant_id == bindparam("of_merchant"),
        subscriptions.c.reference == bindparam("named"),
        _OVER,
    )
    .values(status=Status.FINISHED.value)
)
_CONFIRM = (
    update(subscriptions)
    .where(
        subscriptions.c.id == bindparam("of"),
        subscriptions.c.confirmed_at.is_(null()),
        subscriptions.c.status.in_([status.value for status in UNCONFIRMED]),
    )
    .values(
        status=Status.ACTIVATING.value,
        confirmed_at=bindparam("now"),
        contract_number=bindparam("number"),
    )
)


def merchant_ids(tx: Connection) -> set[str]:
    """Every merchant's id."""
    return set(tx.execute(select(merchants.c.id)).scalars())


def merchant(tx: Connection, account: Account, merchant_id: str) -> Row[Any] | None:
    """A merchant that the account references."""
    key = {"account_id": account.id, "merchant_id": merchant_id}
    return tx.execute(_MERCHANT, key).first()


def merchants_of(tx: Connection, account: Account) -> Sequence[Row[Any]]:
    """The merchants that the account references."""
    return tx.execute(_MERCHANTS, {"account_id": account.id}).all()


def store_refs(tx: Connection, merchant_id: str) -> set[str]:
    """The stores of a merchant."""
    return set(tx.execute(_STORE_REFS, {"merchant_id": merchant_id}).scalars())


def subscription(
    tx: Connection, account: Account, subscription_id: str, now: datetime, *, lock: bool = False
) -> Row[Any] | None:
    """A subscription with its merchant's ways, whoever the merchant: `is_own` tells.

    With `lock` nobody else changes it, its items or its boxes in the meantime.
    """
    if not UUID.fullmatch(subscription_id):
        return None
    key = {"account_id": account.id, "subscription_id": subscription_id, "now": now}
    return tx.execute(_LOCKED if lock else _SUBSCRIPTION, key).first()


def searchable(values: Mapping[str, Any]) -> str:
    """What a search looks into: name, phone and reference, folded, one a line."""
    name = " ".join(values[each] for each in ("given_names", "surnames") if each in values)
    return folded("\n".join((name, values.get("mobile_phone", ""), values["reference"])))


def folded(text: str) -> str:
    """A text without case and accents, so that both engines find the same."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in letters if not unicodedata.combining(each))


def new_code() -> str:
    """The code of a cart link: 160 random bits. Who has it may see this cart and confirm it.

    It is kept as it is, for the API answers it again with every read of the subscription.
    """
    return secrets.token_urlsafe(20)


def add_subscription(tx: Connection, values: Mapping[str, Any], now: datetime) -> str | None:
    """Keep a solicitation; gives its id, or None when a live one has the reference."""
    of = {"of_merchant": values["merchant"]["id"], "named": values["reference"]}
    tx.execute(_FINISH, {**of, "now": now})
    id_ = str(uuid.uuid4())
    row = {
        **dict.fromkeys(_OPTIONAL),
        **{name: values[name] for name in _OPTIONAL if name in values},
        "id": id_,
        "merchant_id": values["merchant"]["id"],
        "store_ref": values["merchant"]["store_ref"],
        "reference": values["reference"],
        "date_of_birth": parsed_day(values.get("date_of_birth", "")),
        "search_text": searchable(values),
        "status": Status.DRAFT.value,
        "payment_status": PaymentStatus.PENDING.value,
        "cart_id": str(uuid.uuid4()),
        "cart_code": new_code(),
        "total_months": TOTAL_MONTHS,
        "created_at": now,
    }
    return id_ if add_if_absent(tx, subscriptions, row) else None


def confirm(tx: Connection, subscription_id: str, now: datetime) -> None:
    """Confirm a subscription that is not; any other stays as it is."""
    number = "".join(secrets.choice(_LETTERS) for _ in range(12))
    tx.execute(_CONFIRM, {"of": subscription_id, "now": now, "number": number})

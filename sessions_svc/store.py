"""What is kept: tables, and the few queries on them. No rule and no message.

Users and sessions go by their partner's own keys. A session's prescriptions
are JSON as they were accepted, its partner_info is the text that was sent;
what is searched, counted or moved has a column. Sessions are moved in `moves`,
what doctors dispense is in `dispensed`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    false,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from chassis.context import Account
from chassis.events.outbox import Outbox
from chassis.server.accounts import CLIENT, Accounts, accounts_table
from chassis.server.idempotency import IdempotencyKeys, idempotency_table
from chassis.store.database import NAMING_CONVENTION, Instant
from chassis.store.reference_cache import changes_table
from sessions_svc.qualification import Limits
from sessions_svc.rules import ACUITY, Status

metadata = MetaData(naming_convention=NAMING_CONVENTION)
accounts = Accounts(accounts_table(metadata))
idempotency_keys = IdempotencyKeys(idempotency_table(metadata))
changes = changes_table(metadata)
outbox = Outbox(metadata)

partners = Table(
    "partners",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("limits", JSON, nullable=False),  # those that are not the default
)
stores = Table(
    "stores",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("enabled", Boolean, nullable=False),
)
products = Table(
    "products",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("product_key", String(200), primary_key=True),
)
users = Table(
    "users",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("user_key", String(64), primary_key=True),
    Column("email", String(254), nullable=False),
    Column("first_name", String(50), nullable=False),
    Column("last_name", String(50), nullable=False),
    Column("birthdate", Date, nullable=False),
    Column("region", String(6), nullable=False),
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
)
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),  # the order of sessions of one second
    Column("account_id", Integer, nullable=False),
    Column("user_key", String(64), nullable=False),
    Column("session_key", String(64), nullable=False),
    Column("status", String(32), nullable=False),
    Column("charged_currency", String(3)),
    Column("charged_amount", BigInteger),  # nothing: we collect; 0: the partner has
    Column("products", JSON, nullable=False),  # their types
    Column("store_id", String(64)),
    Column("partner_info", Text),
    Column("prescriptions", JSON, nullable=False),
    Column("is_acuity", Boolean, nullable=False, server_default=false()),  # of that service
    Column("missing_requirements", JSON(none_as_null=True)),  # while awaiting_confirmation
    Column("visual_acuity", JSON(none_as_null=True)),  # when completed
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    ForeignKeyConstraint(["account_id", "user_key"], ["users.account_id", "users.user_key"]),
    UniqueConstraint("account_id", "session_key"),
    Index("ix_sessions_listing", "account_id", "user_key", "created_at", "id"),
)
dispensed_prescriptions = Table(
    "dispensed_prescriptions",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False, index=True),
    Column("type", String(16), nullable=False),
    Column("issue_date", Date, nullable=False),
    Column("expiration_date", Date, nullable=False),
    Column("eyes", JSON, nullable=False),  # right_eye and left_eye, as they were accepted
)
assets = Table(
    "assets",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("prescription_id", ForeignKey("dispensed_prescriptions.id"), nullable=False, index=True),
    Column("content_type", String(127), nullable=False),
    Column("source", LargeBinary, nullable=False),
)

_LIMITS = select(partners.c.limits).where(partners.c.account_id == bindparam("account_id"))
_ENABLED = select(stores.c.id).where(
    stores.c.account_id == bindparam("account_id"),
    stores.c.id == bindparam("store_id"),
    stores.c.enabled,
)
_MAPPED = select(products.c.product_key).where(
    products.c.account_id == bindparam("account_id"),
    products.c.product_key.in_(bindparam("product_keys", expanding=True)),
)


def _per_engine(build: Callable[[Any], Any]) -> dict[str, Any]:
    return {"sqlite": build(sqlite.insert), "postgresql": build(postgresql.insert)}


def _put_user(insert: Any) -> Any:
    statement = insert(users)
    kept = {"account_id", "user_key", "created_at"}
    newest = {each.name: each for each in statement.excluded if each.name not in kept}
    return statement.on_conflict_do_update(index_elements=users.primary_key, set_=newest)


SHOWN: tuple[Column[Any], ...] = (
    sessions.c.id,
    sessions.c.user_key,
    sessions.c.session_key,
    sessions.c.status,
    sessions.c.created_at,
)

# A person's details.
USER = ("email", "first_name", "last_name", "birthdate", "region")
WHOLE: tuple[Column[Any], ...] = (*SHOWN, sessions.c.account_id, sessions.c.visual_acuity)


def _add_session(insert: Any) -> Any:
    statement = insert(sessions).on_conflict_do_nothing(
        index_elements=["account_id", "session_key"]
    )
    return statement.returning(*SHOWN)


_PUT_USER = _per_engine(_put_user)
_ADD_SESSION = _per_engine(_add_session)
_OF_USER = and_(
    sessions.c.account_id == bindparam("account_id"),
    sessions.c.user_key == bindparam("user_key"),
)
_KEY = sessions.c.session_key == bindparam("session_key")
_SESSION: Select[Any] = select(*WHOLE).where(_OF_USER, _KEY)
_PARTNERS_SESSION: Select[Any] = (
    select(*WHOLE)
    .join(accounts.table, accounts.table.c.id == sessions.c.account_id)
    .where(accounts.table.c.name == bindparam("partner"), _KEY)
)
_RECORD: Select[Any] = (
    select(sessions, *(users.c[name] for name in USER))
    .join_from(sessions, users)
    .join(accounts.table, accounts.table.c.id == sessions.c.account_id)
    .where(accounts.table.c.name == bindparam("partner"), _KEY)
)
_PARTNER = select(accounts.table.c.id).where(
    accounts.table.c.name == bindparam("partner"), accounts.table.c.role == CLIENT
)
_COUNT = select(func.count()).select_from(sessions).where(_OF_USER)
_PAGE = (
    select(*SHOWN)
    .where(_OF_USER)
    .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
    .limit(bindparam("rows", type_=Integer))
    .offset(bindparam("skipped", type_=BigInteger))
)


def partner_id(tx: Connection, name: str) -> int | None:
    """The id of the partner whose account has this name."""
    return tx.execute(_PARTNER, {"partner": name}).scalar()


def limits_of(tx: Connection, account: Account) -> Limits:
    """Whom a partner serves."""
    found = tx.execute(_LIMITS, {"account_id": account.id}).scalar() or {}
    if "regions" in found:
        found = {**found, "regions": frozenset(found["regions"])}
    return Limits(**found)


def enabled_stores(tx: Connection, account: Account, store_id: str | None) -> set[str]:
    """The store of this id, if it is an enabled one of this partner."""
    if store_id is None:
        return set()
    return set(tx.execute(_ENABLED, {"account_id": account.id, "store_id": store_id}).scalars())


def mapped_products(tx: Connection, account: Account, product_keys: Collection[str]) -> set[str]:
    """Those of the lens products that this partner has mapped."""
    if not product_keys:
        return set()
    key = {"account_id": account.id, "product_keys": list(product_keys)}
    return set(tx.execute(_MAPPED, key).scalars())


def add_session(
    tx: Connection, account: Account, values: Mapping[str, Any], now: datetime
) -> Row[Any] | None:
    """Keep a new session and its user's newest details; None when its key is taken.

    Gives the columns SHOWN. After None the transaction is to be rolled back: the
    user's details are in it.
    """
    moment = now.replace(microsecond=0)
    put_user(tx, account, values, now)
    session = {
        "account_id": account.id,
        "user_key": values["user_key"],
        "session_key": values["session_key"],
        "status": Status.CREATED.value,
        **details(values),
        "created_at": moment,
        "updated_at": moment,
    }
    return tx.execute(_ADD_SESSION[tx.dialect.name], session).first()


def put_user(tx: Connection, account: Account, values: Mapping[str, Any], now: datetime) -> None:
    """Keep the newest details of a valid request's user."""
    moment = now.replace(microsecond=0)
    user = {
        **values["user"],
        "account_id": account.id,
        "user_key": values["user_key"],
        "birthdate": date.fromisoformat(values["user"]["birthdate"]),
        "created_at": moment,
        "updated_at": moment,
    }
    tx.execute(_PUT_USER[tx.dialect.name], user)


def details(values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a session that a partner may replace, of a valid request."""
    order = values.get("order", {})
    products = [product["type"] for product in order.get("products", ())]
    return {
        "charged_currency": order.get("charged_currency"),
        "charged_amount": order.get("charged_amount"),
        "products": products,
        "is_acuity": ACUITY in products,
        "store_id": values.get("store_id"),
        "partner_info": values.get("partner_info"),
        "prescriptions": values.get("prescriptions", []),
    }


def session_of(
    tx: Connection, account: Account, user_key: str, session_key: str
) -> Row[Any] | None:
    """A partner's session of this user: the columns WHOLE."""
    keys = {"account_id": account.id, "user_key": user_key, "session_key": session_key}
    return tx.execute(_SESSION, keys).first()


def partners_session(tx: Connection, partner: str, session_key: str) -> Row[Any] | None:
    """The session of the partner whose account has this name, as `session_of` gives it."""
    return tx.execute(_PARTNERS_SESSION, {"partner": partner, "session_key": session_key}).first()


def session_record(tx: Connection, partner: str, session_key: str) -> Row[Any] | None:
    """All columns of such a session, and its user's details: the columns USER."""
    return tx.execute(_RECORD, {"partner": partner, "session_key": session_key}).first()


def sessions_page(
    tx: Connection, account: Account, user_key: str, page: int, per_page: int
) -> tuple[Sequence[Row[Any]], int]:
    """One page of a user's sessions, newest first, and how many there are in all."""
    of = {"account_id": account.id, "user_key": user_key}
    total: int = tx.execute(_COUNT, of).scalar_one()
    window = {"rows": per_page, "skipped": (page - 1) * per_page}
    return tx.execute(_PAGE, of | window).all(), total

"""What is kept: tables, and the queries on callers and catalogs. No rule and no message.

A client's users see the labs that `user_labs` gives them, and the orders that
went there; catalogs belong to a lab. An order's document is JSON as it was
accepted; what is searched, counted or moved has a column. Queries on orders are
in `orders`, their lists in `listing`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    delete,
    literal,
    null,
    select,
    text,
    union_all,
)

from chassis.context import Account
from chassis.events.outbox import Outbox
from chassis.server.accounts import Accounts, accounts_table, hash_secret
from chassis.server.idempotency import IdempotencyKeys, idempotency_table
from chassis.store.database import NAMING_CONVENTION, Instant, add_if_absent
from chassis.store.reference_cache import changes_table
from orders_svc.names import LONGEST

metadata = MetaData(naming_convention=NAMING_CONVENTION)
# Compared code point by code point: then one range of the index holds all with one beginning.
FOLDED = String(LONGEST).with_variant(String(LONGEST, collation="C"), "postgresql")
accounts_rows = accounts_table(metadata)
accounts = Accounts(accounts_rows)
idempotency_keys = IdempotencyKeys(idempotency_table(metadata))
changes = changes_table(metadata)
outbox = Outbox(metadata)

tokens = Table(
    "tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("expires_at", Instant(), nullable=False, index=True),
)
users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
)
labs = Table(
    "labs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("settings", JSON, nullable=False),
)
user_labs = Table(
    "user_labs",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("lab_id", ForeignKey("labs.id"), primary_key=True),
    Column("account_number", String(64), primary_key=True),
)
styles = Table(
    "styles",
    metadata,
    Column("lab_id", ForeignKey("labs.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("lens_type", String(16), nullable=False),
)
# Materials that are made in the same styles, or take the same addons, share the rows of the
# first of them: a lab with 300 materials in each of 2,000 styles has not 600,000 pairs to load.
materials = Table(
    "materials",
    metadata,
    Column("lab_id", ForeignKey("labs.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("styles_of", String(64), nullable=False, server_default=""),  # a material's id
    Column("addons_of", String(64), nullable=False, server_default=""),  # a material's id
    Index("ix_materials_styles_of", "lab_id", "styles_of"),
)
style_materials = Table(
    "style_materials",
    metadata,
    Column("lab_id", String(64), primary_key=True),
    Column("style_id", String(64), primary_key=True),
    Column("material_id", String(64), primary_key=True),
    ForeignKeyConstraint(["lab_id", "style_id"], ["styles.lab_id", "styles.id"]),
    ForeignKeyConstraint(["lab_id", "material_id"], ["materials.lab_id", "materials.id"]),
)
addons = Table(
    "addons",
    metadata,
    Column("lab_id", String(64), primary_key=True),
    Column("material_id", String(64), primary_key=True),
    Column("kind", String(8), primary_key=True),  # coat, color or tint
    Column("id", String(64), primary_key=True),  # of a tint, the word itself
    Column("name", String(200), nullable=False),  # of a tint, its place in the list
    Column("type", String(16)),  # of a coat: ar, mirror, scratch, uv or nothing
    ForeignKeyConstraint(["lab_id", "material_id"], ["materials.lab_id", "materials.id"]),
)
orders = Table(
    "orders",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("lab_id", ForeignKey("labs.id"), nullable=False),
    Column("account_number", String(64), nullable=False),
    Column("lab_status", String(16), nullable=False),
    Column("tray_number", String(50)),
    Column("invoice_number", String(50)),
    Column("document", JSON, nullable=False),
    Column("warnings", JSON(none_as_null=True)),  # of the last check: [{"param", "message"}]
    Column("traced", JSON(none_as_null=True)),  # what was measured of frame.tracing
    Column("created_at", Instant(), nullable=False),
    Column("submitted_at", Instant()),  # nothing for a draft
    Column("updated_at", Instant(), nullable=False),
    # A patient's name as it is searched, in both orders; see `names`.
    Column("first_last", FOLDED),
    Column("last_first", FOLDED),
    Index("ix_orders_listing", "account_id", "lab_id", "account_number", "created_at", "id"),
    Index("ix_orders_queue", "lab_id", "lab_status", "submitted_at", "id"),
    Index("ix_orders_first_last", "account_id", "first_last"),
    Index("ix_orders_last_first", "account_id", "last_first"),
    # A new order has neither yet: it is written to no index for them.
    *(
        Index(
            f"ix_orders_{name}",
            "account_id",
            name,
            sqlite_where=text(f"{name} IS NOT NULL"),
            postgresql_where=text(f"{name} IS NOT NULL"),
        )
        for name in ("tray_number", "invoice_number")
    ),
)
dashboard_sessions = Table(
    "dashboard_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("expires_at", Instant(), nullable=False, index=True),
)
login_attempts = Table(
    "login_attempts",
    metadata,
    Column("key", String(64), primary_key=True),  # hash of an address, of e-mail or network
    Column("attempts", Integer, nullable=False),
    Column("since", Instant(), nullable=False, index=True),
)

_TOKEN_ACCOUNT = (
    select(accounts_rows.c.id, accounts_rows.c.name, accounts_rows.c.role, tokens.c.expires_at)
    .join(tokens, tokens.c.account_id == accounts_rows.c.id)
    .where(
        tokens.c.token_hash == bindparam("token_hash"),
        accounts_rows.c.revoked_at.is_(None),
    )
)
_CLIENT = select(accounts_rows.c.name).where(accounts_rows.c.id == bindparam("account_id"))
_USER = select(users.c.id).where(
    users.c.account_id == bindparam("account_id"), users.c.email == bindparam("email")
)
_LAB = select(labs.c.id).where(labs.c.id == bindparam("lab"))
_LABS = (
    select(labs.c.id, labs.c.name, user_labs.c.account_number)
    .join(user_labs, user_labs.c.lab_id == labs.c.id)
    .where(user_labs.c.user_id == bindparam("user_id"))
    .order_by(labs.c.name, labs.c.id, user_labs.c.account_number)
)
_SETTINGS = (
    select(labs.c.settings)
    .join(user_labs, user_labs.c.lab_id == labs.c.id)
    .where(
        user_labs.c.user_id == bindparam("user_id"),
        user_labs.c.lab_id == bindparam("lab"),
        user_labs.c.account_number == bindparam("account_number"),
    )
)
_STYLES = (
    select(styles.c.id, styles.c.name)
    .where(styles.c.lab_id == bindparam("lab"), styles.c.lens_type == bindparam("lens_type"))
    .order_by(styles.c.name, styles.c.id)
)
_OF_STYLE = (
    style_materials.c.lab_id == bindparam("lab"),
    style_materials.c.style_id == bindparam("style"),
    materials.c.lab_id == style_materials.c.lab_id,
    materials.c.styles_of == style_materials.c.material_id,
)
# By IN: SQLite would otherwise go through all materials of the lab.
_MATERIALS = (
    select(materials.c.id, materials.c.name)
    .where(
        materials.c.lab_id == bindparam("lab"),
        materials.c.styles_of.in_(
            select(style_materials.c.material_id).where(
                style_materials.c.lab_id == bindparam("lab"),
                style_materials.c.style_id == bindparam("style"),
            )
        ),
    )
    .order_by(materials.c.name, materials.c.id)
)
_CHAIN = (*_OF_STYLE, materials.c.id == bindparam("material"))
_OF_MATERIAL = (
    *_CHAIN,
    addons.c.lab_id == materials.c.lab_id,
    addons.c.material_id == materials.c.addons_of,
)
_LENS_NAMES = select(styles.c.name, materials.c.name).where(
    *_CHAIN,
    styles.c.lab_id == style_materials.c.lab_id,
    styles.c.id == style_materials.c.style_id,
)
_NAMES = union_all(
    select(literal("lab"), labs.c.id, labs.c.name).where(labs.c.id == bindparam("lab")),
    select(literal("style"), styles.c.id, styles.c.name).where(
        styles.c.lab_id == bindparam("lab"), styles.c.id == bindparam("style")
    ),
    select(literal("material"), materials.c.id, materials.c.name).where(
        materials.c.lab_id == bindparam("lab"), materials.c.id == bindparam("material")
    ),
    select(addons.c.kind, addons.c.id, addons.c.name).where(
        materials.c.lab_id == bindparam("lab"),
        materials.c.id == bindparam("material"),
        addons.c.lab_id == materials.c.lab_id,
        addons.c.material_id == materials.c.addons_of,
        addons.c.kind.in_(("coat", "color")),
        addons.c.id.in_(bindparam("named", expanding=True)),
    ),
)
_ADDONS = (
    select(addons.c.kind, addons.c.id, addons.c.name, addons.c.type)
    .where(*_OF_MATERIAL)
    .order_by(addons.c.kind, addons.c.name, addons.c.id)
)
_LENS = union_all(
    select(literal("style"), styles.c.id, styles.c.lens_type).where(
        styles.c.lab_id == bindparam("lab"), styles.c.id == bindparam("style")
    ),
    select(literal("material"), materials.c.id, null()).where(*_CHAIN),
    # The kinds are named so that the whole of the primary key finds each addon.
    select(addons.c.kind, addons.c.id, addons.c.type).where(
        *_OF_MATERIAL,
        addons.c.kind.in_(("coat", "color", "tint")),
        addons.c.id.in_(bindparam("named", expanding=True)),
    ),
)


class TokenAccount(NamedTuple):
    """Whose token it is, and until when."""

    account: Account
    expires_at: datetime


def token_account(tx: Connection, token_hash: str) -> TokenAccount | None:
    """Whose token has this hash."""
    row = tx.execute(_TOKEN_ACCOUNT, {"token_hash": token_hash}).first()
    return TokenAccount(Account(row.id, row.name, row.role), row.expires_at) if row else None


def put_token(
    tx: Connection, account: Account, token: str, now: datetime, expires_at: datetime
) -> bool:
    """Keep a token; gives whether it is new. The account's expired ones go."""
    mine = tokens.c.account_id == account.id
    tx.execute(delete(tokens).where(mine, tokens.c.expires_at <= now))
    row = {"token_hash": hash_secret(token), "account_id": account.id, "expires_at": expires_at}
    return add_if_absent(tx, tokens, row)


def user_id(tx: Connection, account: Account, email: str) -> int | None:
    """The id of a client's user; the e-mail must match exactly."""
    found: int | None = tx.execute(_USER, {"account_id": account.id, "email": email}).scalar()
    return found


def client(tx: Connection, account_id: int) -> str:
    """The name of a client's account."""
    name: str = tx.execute(_CLIENT, {"account_id": account_id}).scalar_one()
    return name


def user_named(tx: Connection, email: str) -> Row[Any] | None:
    """A user by e-mail, whoever the client."""
    return tx.execute(select(users).where(users.c.email == email)).first()


def lab_ids(tx: Connection) -> set[str]:
    """Every lab's id."""
    return set(tx.execute(select(labs.c.id)).scalars())


def has_lab(tx: Connection, lab: str) -> bool:
    """Whether there is such a lab."""
    return tx.execute(_LAB, {"lab": lab}).first() is not None


def labs_of(tx: Connection, user: int) -> Sequence[Any]:
    """Id, name and account_number of each lab of a user."""
    return tx.execute(_LABS, {"user_id": user}).all()


def settings_of(
    tx: Connection, user: int, lab: str, account_number: str
) -> dict[str, list[str]] | None:
    """The option lists of a lab of this user."""
    key = {"user_id": user, "lab": lab, "account_number": account_number}
    found: dict[str, list[str]] | None = tx.execute(_SETTINGS, key).scalar()
    return found


def styles_of(tx: Connection, lab: str, lens_type: str) -> Sequence[Any]:
    """Id and name of each style of a lens type."""
    return tx.execute(_STYLES, {"lab": lab, "lens_type": lens_type}).all()


def materials_of(tx: Connection, lab: str, style: str) -> Sequence[Any]:
    """Id and name of each material of a style."""
    return tx.execute(_MATERIALS, {"lab": lab, "style": style}).all()


def addons_of(tx: Connection, lab: str, style: str, material: str) -> Sequence[Any]:
    """Kind, id, name and type of each addon of a style in a material."""
    return tx.execute(_ADDONS, {"lab": lab, "style": style, "material": material}).all()


def lens_name(tx: Connection, lab: str, lens: Mapping[str, str]) -> str:
    """Style and material of a lens in the lab's words; their ids when the lab has them no more."""
    key = {"lab": lab, "style": lens["style"], "material": lens["material"]}
    return " ".join(tx.execute(_LENS_NAMES, key).first() or (lens["style"], lens["material"]))


def names_of(tx: Connection, lab: str, lens: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """What a lab calls itself and what a lens names, by kind and id; only what it has still."""
    rows = tx.execute(_NAMES, Lens.of(lab, lens)._asdict())
    return {(kind, id_): name for kind, id_, name in rows}


class Lens(NamedTuple):
    """The ids that a lens names, of one lab's catalog."""

    lab: str
    style: str
    material: str
    named: tuple[str, ...]

    @classmethod
    def of(cls, lab: str, lens: Mapping[str, Any]) -> "Lens":
        """The ids in the lens of an order, or in the valid part of one."""
        named = (lens.get("color", ""), lens.get("tint", ""), *lens.get("coats", ()))
        return cls(lab, lens.get("style", ""), lens.get("material", ""), named)


def found(tx: Connection, lens: Lens) -> dict[str, Any]:
    """Which styles, materials, colors, coats and tints that it names exist as one chain.

    Styles come with their lens type, coats with their type.
    """
    kinds = ("style", "material", "color", "coat", "tint")
    rows: dict[str, dict[str, str | None]] = {kind: {} for kind in kinds}
    for kind, id_, type_ in tx.execute(_LENS, lens._asdict()):
        rows[kind][id_] = type_
    return {f"{kind}s": ids for kind, ids in rows.items()}

"""The tables of the orders service.

A user sees the labs listed for them in `user_labs`, and the client's orders that went to those
labs. A catalog belongs to a lab. An order's document is JSON as it was accepted; whatever is
searched, counted or changed has a column of its own.
"""

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)

from chassis.events.outbox import Outbox
from chassis.server.accounts import Accounts, build_accounts_table
from chassis.server.idempotency import IdempotencyKeys, build_idempotency_table
from chassis.store.database import NAMING_CONVENTION, Instant
from chassis.store.encryption.registry import build_keys_table
from chassis.store.reference_cache import build_changes_table
from orders_svc.rules.names import MAX_FOLDED_LENGTH

metadata = MetaData(naming_convention=NAMING_CONVENTION)
# Compared by code point, so that all names with one prefix are one range of the index.
FOLDED_NAME = String(MAX_FOLDED_LENGTH).with_variant(
    String(MAX_FOLDED_LENGTH, collation="C"), "postgresql"
)
accounts = Accounts(build_accounts_table(metadata))
idempotency_keys = IdempotencyKeys(build_idempotency_table(metadata))
changes = build_changes_table(metadata)
keys = build_keys_table(metadata)
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
    Column("least_fitting_height", Float),  # mm
    Column("blank_sizes", JSON(none_as_null=True)),  # diameters in mm
)
# Materials made in the same styles, or with the same addons, share the rows of the first of them:
# a lab with 300 materials in each of 2,000 styles need not store 600,000 pairs.
materials = Table(
    "materials",
    metadata,
    Column("lab_id", ForeignKey("labs.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("styles_of", String(64), nullable=False, server_default=""),  # id of a material
    Column("addons_of", String(64), nullable=False, server_default=""),  # id of a material
    Column("blank_sizes", JSON(none_as_null=True)),  # diameters in mm
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
    Column("id", String(64), primary_key=True),  # for a tint, the word itself
    Column("name", String(200), nullable=False),  # for a tint, its position in the list
    Column("type", String(16)),  # for a coat: ar, mirror, scratch, uv or NULL
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
    Column("warnings", JSON(none_as_null=True)),  # of the last check, a list
    Column("traced", JSON(none_as_null=True)),  # measurements of frame.tracing
    Column("created_at", Instant(), nullable=False),
    Column("submitted_at", Instant()),  # NULL for a draft
    Column("updated_at", Instant(), nullable=False),
    # The patient's name folded for search, in both orders; see rules/names.py.
    Column("first_last", FOLDED_NAME),
    Column("last_first", FOLDED_NAME),
    Index("ix_orders_listing", "account_id", "lab_id", "account_number", "created_at", "id"),
    Index("ix_orders_queue", "lab_id", "lab_status", "submitted_at", "id"),
    Index("ix_orders_first_last", "account_id", "first_last"),
    Index("ix_orders_last_first", "account_id", "last_first"),
    # Partial: a new order has neither number, so inserting it need not touch these indexes.
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
# The names of patients from a further word on, so that Smith-Jones is found by jones.
name_words = Table(
    "name_words",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("name", FOLDED_NAME, primary_key=True),
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True, index=True),
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
    Column("key", String(64), primary_key=True),  # hash of an e-mail or network address
    Column("attempts", Integer, nullable=False),
    Column("since", Instant(), nullable=False, index=True),
)

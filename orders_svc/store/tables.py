"""The tables of the orders service.

A user sees the labs listed for them in `user_labs`, and the client's orders that went to those
labs. A catalog belongs to a lab. An order's document is JSON as it was accepted; whatever is
searched, counted or changed has a column of its own.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
    literal_column,
)

from chassis.audit.trail import Trail
from chassis.events.outbox import Outbox
from chassis.notices.queue import build_messages_table
from chassis.server.accounts import Accounts, build_accounts_table
from chassis.server.idempotency import IdempotencyKeys, build_idempotency_table
from chassis.store.database import NAMING_CONVENTION, Instant, partial_index, shared_key
from chassis.store.encryption.columns import personal_text
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
audit = Trail(metadata)

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
    Column("password_hash", String(255), nullable=False),  # "": none yet
    Column("invited_at", Instant()),  # since then the password is the user's own
    Column("disabled_at", Instant()),
    Column("hold_minutes", Integer),  # before transmission; NULL for those of the lab
)
labs = Table(
    "labs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("job_drop", JSON(none_as_null=True)),  # of a lab that receives its jobs as files
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
    Column("account_id", shared_key("accounts.id"), nullable=False),
    Column("user_id", shared_key("users.id"), nullable=False),
    Column("lab_id", shared_key("labs.id"), nullable=False),
    Column("account_number", String(64), nullable=False),
    Column("lab_status", String(32), nullable=False),
    Column("tray_number", String(50)),
    Column("invoice_number", String(50)),
    Column("tracking_number", personal_text(100)),  # of the parcel
    Column("document", JSON, nullable=False),
    Column("warnings", JSON(none_as_null=True)),  # of the last check, a list
    Column("traced", JSON(none_as_null=True)),  # measurements of frame.tracing
    Column("created_at", Instant(), nullable=False),
    Column("submitted_at", Instant()),  # NULL until the lab has it
    Column("updated_at", Instant(), nullable=False),
    Column("erased_at", Instant()),  # when its personal fields were blanked
    # Counts the changes.
    Column(
        "version",
        Integer,
        nullable=False,
        server_default="1",
        onupdate=literal_column("version", Integer) + 1,
    ),
    # The patient's name folded for search, in both orders; see rules/names.py.
    Column("first_last", FOLDED_NAME),
    Column("last_first", FOLDED_NAME),
    Column("transmit_at", Instant()),  # only while the order waits for it
    # When the client cancelled or asked the lab to; when the lab cancelled; its answer.
    Column("client_cancelled_at", Instant()),
    Column("lab_cancelled_at", Instant()),
    Column("cancel_answer", String(8)),  # accepted or refused
    Column("cancel_reason", personal_text(250)),
    Column("person_ref", String(64)),  # of the patient, the client's own, the same in all APIs
    Column("original_id", String(32)),  # the order that this one was made from
    Column("tracking_code", String(43)),  # of the link for the patient, once there is one
    Column("has_copies", Boolean, nullable=False, server_default=false()),  # redos or pairs
    Index("ix_orders_listing", "account_id", "lab_id", "account_number", "created_at", "id"),
    Index(
        "ix_orders_listing_of_status",
        *("account_id", "lab_id", "account_number", "lab_status", "created_at", "id"),
    ),
    Index("ix_orders_queue", "lab_id", "lab_status", "submitted_at", "id"),
    partial_index(
        "ix_orders_person_ref",
        *("person_ref", "account_id", "created_at", "id"),
        where="person_ref IS NOT NULL",
    ),
    Index("ix_orders_first_last", "account_id", "first_last"),
    Index("ix_orders_last_first", "account_id", "last_first"),
    # Partial: a new order has neither number, so inserting it need not touch these indexes.
    *(
        partial_index(
            f"ix_orders_{name}",
            "account_id",
            name,
            where=f"{name} IS NOT NULL",
        )
        for name in ("tray_number", "invoice_number")
    ),
    *(
        partial_index(
            f"ix_orders_{name}",
            name,
            where=f"{name} IS NOT NULL",
        )
        for name in ("transmit_at", "original_id")
    ),
    # Labs name an order by its tray.
    partial_index(
        "ix_orders_trays_of_lab",
        *("lab_id", "tray_number"),
        where="tray_number IS NOT NULL",
    ),
    partial_index(
        "ix_orders_tracking_code",
        "tracking_code",
        unique=True,
        where="tracking_code IS NOT NULL",
    ),
)
# Messages to patients.
messages = build_messages_table(
    metadata, Column("order_id", String(32), nullable=False, index=True)
)
# What became of an order, by the version that each change made; its creation has no row.
order_history = Table(
    "order_history",
    metadata,
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant(), nullable=False),
    Column("event", String(24), nullable=False),
    Column("lab_status", String(32), nullable=False),
    Column("by", String(8), nullable=False),  # client, lab or system
    Column("user_id", ForeignKey("users.id")),
    Column("lab_word", personal_text(250)),
)
# The delivery of an order's job to its lab; the outbox forgets it, this does not.
job_deliveries = Table(
    "job_deliveries",
    metadata,
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, nullable=False),  # of the order when it was transmitted
    Column("event_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # of the event after its last attempt
    Column("attempts", Integer, nullable=False),
    Column("last_status", Integer),
    Column("last_error", String(32)),
    Column("updated_at", Instant(), nullable=False),
)
# Labs whose drops are read for status files, each leased to one process at a time.
status_polls = Table(
    "status_polls",
    metadata,
    Column("lab_id", ForeignKey("labs.id"), primary_key=True),
    Column("due_at", Instant(), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),  # since the last one that succeeded
    Column("last_error", String(32)),
    Column("files", JSON, nullable=False),  # those that were found: size and time by name
)
# Status files that were read, so that none is applied twice.
status_files = Table(
    "status_files",
    metadata,
    Column("lab_id", ForeignKey("labs.id"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("lines", Integer, nullable=False),  # that were applied or refused so far
    Column("refused", JSON, nullable=False),  # number and sentence of each
    Column("read_at", Instant(), nullable=False),
)
lens_packages = Table(
    "lens_packages",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("lab_id", ForeignKey("labs.id"), nullable=False),
    Column("account_number", String(64), nullable=False),
    Column("name", String(50), nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", Instant(), nullable=False),
    UniqueConstraint("user_id", "lab_id", "account_number", "name"),
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
invitations = Table(
    "invitations",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("expires_at", Instant(), nullable=False),
)
# Browsers in which a user has logged in before; one browser may be used by several.
login_devices = Table(
    "login_devices",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True, index=True),
    Column("expires_at", Instant(), nullable=False, index=True),
)
login_attempts = Table(
    "login_attempts",
    metadata,
    Column("key", String(64), primary_key=True),  # hash of who tries, and from where
    Column("attempts", Integer, nullable=False),
    Column("since", Instant(), nullable=False, index=True),
)

"""The tables of the sessions service.

Partners choose the keys of their users and sessions. The prescriptions of a
session are stored as validated JSON, its partner_info as the text that was sent;
whatever is searched, counted or moved has a column of its own. Of the secrets
that open links and exams only the SHA-256 is stored.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)

from chassis.audit.trail import Trail
from chassis.events.outbox import Outbox
from chassis.payments.accounts import PaymentAccounts
from chassis.payments.charges import Charges
from chassis.server.accounts import Accounts, build_accounts_table
from chassis.server.idempotency import IdempotencyKeys, build_idempotency_table
from chassis.store.database import NAMING_CONVENTION, Instant, partial_index
from chassis.store.encryption.columns import Day, personal_text
from chassis.store.encryption.registry import build_keys_table
from chassis.store.reference_cache import build_changes_table
from sessions_svc.rules.links import MAX_HOST_CHARACTERS, MAX_REDIRECT_URL_CHARACTERS
from sessions_svc.rules.products import MAX_REFERENCE_CHARACTERS

metadata = MetaData(naming_convention=NAMING_CONVENTION)
accounts = Accounts(build_accounts_table(metadata))
idempotency_keys = IdempotencyKeys(build_idempotency_table(metadata))
changes = build_changes_table(metadata)
keys = build_keys_table(metadata)
outbox = Outbox(metadata)
audit = Trail(metadata)
payment_accounts = PaymentAccounts(metadata)
charges = Charges(metadata)

partners = Table(
    "partners",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("limits", JSON, nullable=False),  # only those that differ from the default
    Column("redirect_url", String(MAX_REDIRECT_URL_CHARACTERS)),  # of links that name none
    Column("link_host", String(MAX_HOST_CHARACTERS)),  # NULL: that of the public URL
    Column("language", String(2)),
    Column("prescription_pdf", Boolean, nullable=False, server_default=false()),
    Column("prices", JSON(none_as_null=True)),  # NULL: we collect nothing
)
stores = Table(
    "stores",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("name", String(100)),
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
    Column("email", personal_text(254), nullable=False),
    Column("first_name", personal_text(50), nullable=False),
    Column("last_name", personal_text(50), nullable=False),
    Column("birthdate", Day(), nullable=False),
    Column("region", personal_text(6), nullable=False),
    Column("person_ref", String(64)),  # the partner's own, the same in all APIs
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    partial_index(
        "ix_users_person_ref",
        "person_ref",
        "account_id",
        where="person_ref IS NOT NULL",
    ),
)
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),  # orders the sessions of one second
    Column("account_id", Integer, nullable=False),
    Column("user_key", String(64), nullable=False),
    Column("session_key", String(64), nullable=False),
    Column("status", String(32), nullable=False),
    Column("charged_currency", String(3)),
    Column("charged_amount", BigInteger),  # NULL: we collect the payment; otherwise the partner has
    Column("products", JSON, nullable=False),  # types of the ordered products
    Column("chosen_product", String(16)),  # by the person, where the order names none
    Column("store_id", String(64)),
    Column("partner_info", Text),
    Column("prescriptions", JSON, nullable=False),
    Column("verifications", JSON(none_as_null=True)),  # of the prescriptions, by their type
    Column(
        "is_acuity", Boolean, nullable=False, server_default=false()
    ),  # whether it ordered the acuity service
    Column("erased_at", Instant()),  # when its personal fields were blanked
    # What we collect, fixed when the exam begins; NULL: no price applies.
    Column("price_currency", String(3)),
    Column("price_amount", BigInteger),
    Column("paid_at", Instant()),
    Column("paid_by", String(16)),  # staff, or a provider
    Column("payment_reference", personal_text(MAX_REFERENCE_CHARACTERS)),
    Column("eye_health", JSON(none_as_null=True)),  # answers given in an acuity exam
    Column("missing_requirements", JSON(none_as_null=True)),  # while awaiting_confirmation
    Column("visual_acuity", JSON(none_as_null=True)),  # when completed
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    # Counts the changes.
    Column(
        "version",
        Integer,
        nullable=False,
        server_default="1",
        onupdate=literal_column("version", Integer) + 1,
    ),
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
    Column("issue_date", Day(), nullable=False),
    Column("expiration_date", Day(), nullable=False),
    Column("eyes", JSON, nullable=False),  # right_eye and left_eye, as validated
)
assets = Table(
    "assets",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("prescription_id", ForeignKey("dispensed_prescriptions.id"), nullable=False, index=True),
    Column("content_type", String(127), nullable=False),
    Column("source", LargeBinary, nullable=False),
)
links = Table(
    "links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False, index=True),
    Column("redirect_url", personal_text(MAX_REDIRECT_URL_CHARACTERS)),
    Column("fingerprint", LargeBinary),  # of the request, if it had an idempotency key
    Column("expires_at", Instant(), nullable=False),
    Column("exam_hash", String(64), unique=True),  # set when the link is used
    Column("exam_expires_at", Instant()),
)

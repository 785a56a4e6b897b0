"""The tables of payments."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from chassis.payments.accounts import PaymentAccounts
from chassis.payments.charges import Charges
from chassis.store.database import Instant
from subscriptions_svc.store.tables import metadata

accounts = PaymentAccounts(metadata)
charges = Charges(metadata)
# A month of a subscription: what is owed for it, and the sums of its ledger.
payments = Table(
    "payments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), nullable=False),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("month", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("due_on", Date, nullable=False),
    Column("state", String(16), nullable=False),
    Column("taken", BigInteger, nullable=False, server_default=text("0")),
    Column("refunded", BigInteger, nullable=False, server_default=text("0")),
    Column("refunding", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", Instant(), nullable=False),
    UniqueConstraint("subscription_id", "month"),
    Index("ix_payments_listing", "merchant_id", "due_on", "id"),
    CheckConstraint(
        "refunding >= 0 AND refunded >= 0 AND refunded + refunding <= taken", name="sums"
    ),
)
# The ledger: rows are added and never changed.
payment_entries = Table(
    "payment_entries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("payment_id", ForeignKey("payments.id"), nullable=False, index=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # taken, failed or refunded
    Column("amount", BigInteger, nullable=False),
    Column("method", String(16), nullable=False),  # by_hand, import, or a provider
    Column("reference", String(255)),
    Column("booked_on", Date, nullable=False),
    Column("account_id", Integer),  # who recorded it; null for a provider
    Column("request_id", String(128), nullable=False),
    Column("recorded_at", Instant(), nullable=False),
    UniqueConstraint("merchant_id", "method", "reference"),
    Index("ix_payment_entries_statement", "merchant_id", "booked_on", "id"),
)

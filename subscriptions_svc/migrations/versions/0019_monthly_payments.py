"""monthly payments, their ledger, and what is asked of payment providers"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
oldest_code = "0.1.0"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
ACTIVE = sa.text("status = 'active' AND activated_at IS NOT NULL")
ASKED = sa.text("state = 'asked'")
PAYABLE = sa.text("kind = 'page' AND state IN ('asked', 'open')")


def upgrade() -> None:
    op.add_column(
        "merchants",
        sa.Column("monthly_payments", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("subscriptions", sa.Column("next_payment_at", INSTANT, nullable=True))
    _index("ix_subscriptions_next_payment", "subscriptions", "merchant_id next_payment_at", ACTIVE)
    op.create_table(
        "payment_accounts",
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("api_url", sa.String(2000), nullable=False),
        sa.Column("secret_key", _personal_text(255), nullable=False),
        sa.Column("callback_secrets", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_payment_accounts"),
    )
    op.create_table(
        "charges",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ref", sa.String(255), nullable=True),
        sa.Column("payment_ref", sa.String(255), nullable=True),
        sa.Column("url", _personal_text(2000), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(32), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_charges"),
    )
    _index("ix_charges_due", "charges", "owner due_at", ASKED)
    _index("ix_charges_subject", "charges", "owner subject")
    _index("uq_charges_payable", "charges", "owner subject", PAYABLE, unique=True)
    _create_payments()


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("subscription_id", sa.String(36), nullable=False),
        sa.Column("merchant_id", sa.String(255), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("refunded", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("refunding", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "refunding >= 0 AND refunded >= 0 AND refunded + refunding <= taken",
            name="ck_payments_sums",
        ),
        _refer("payments", "subscription_id", "subscriptions"),
        _refer("payments", "merchant_id", "merchants"),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.UniqueConstraint("subscription_id", "month", name="uq_payments_subscription_id_month"),
    )
    _index("ix_payments_listing", "payments", "merchant_id due_on id")
    op.create_table(
        "payment_entries",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("payment_id", sa.String(36), nullable=False),
        sa.Column("merchant_id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(255), nullable=True),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        _refer("payment_entries", "payment_id", "payments"),
        _refer("payment_entries", "merchant_id", "merchants"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_entries"),
        sa.UniqueConstraint(
            "merchant_id",
            "method",
            "reference",
            name="uq_payment_entries_merchant_id_method_reference",
        ),
    )
    _index("ix_payment_entries_payment_id", "payment_entries", "payment_id")
    _index("ix_payment_entries_statement", "payment_entries", "merchant_id booked_on id")


def downgrade() -> None:
    for name in ("payment_entries", "payments", "charges", "payment_accounts"):
        op.drop_table(name)
    op.drop_index("ix_subscriptions_next_payment", "subscriptions")
    op.drop_column("subscriptions", "next_payment_at")
    op.drop_column("merchants", "monthly_payments")


def _personal_text(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def _refer(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=f"fk_{table}_{column}_{to}")


def _index(
    name: str, table: str, columns: str, where: sa.TextClause | None = None, *, unique: bool = False
) -> None:
    op.create_index(
        name,
        table,
        columns.split(),
        unique=unique,
        sqlite_where=where,
        postgresql_where=where,
    )

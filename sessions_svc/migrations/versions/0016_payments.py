"""prices of partners, what is to be paid of sessions, and what is asked of payment providers"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
oldest_code = "0.1.0"

INSTANT = sa.DateTime(timezone=True)
ASKED = sa.text("state = 'asked'")
PAYABLE = sa.text("kind = 'page' AND state IN ('asked', 'open')")
OF_SESSIONS = ("price_currency", "price_amount", "paid_at", "paid_by", "payment_reference")


def upgrade() -> None:
    op.add_column("partners", sa.Column("prices", sa.JSON(), nullable=True))
    op.add_column("sessions", sa.Column("price_currency", sa.String(3), nullable=True))
    op.add_column("sessions", sa.Column("price_amount", sa.BigInteger(), nullable=True))
    op.add_column("sessions", sa.Column("paid_at", INSTANT, nullable=True))
    op.add_column("sessions", sa.Column("paid_by", sa.String(16), nullable=True))
    op.add_column("sessions", sa.Column("payment_reference", _personal_text(200), nullable=True))
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
    _create_index("ix_charges_due", ["owner", "due_at"], ASKED)
    _create_index("ix_charges_subject", ["owner", "subject"])
    _create_index("uq_charges_payable", ["owner", "subject"], PAYABLE, unique=True)


def downgrade() -> None:
    op.drop_table("charges")
    op.drop_table("payment_accounts")
    with op.batch_alter_table("sessions") as sessions:
        for name in reversed(OF_SESSIONS):
            sessions.drop_column(name)
    with op.batch_alter_table("partners") as partners:
        partners.drop_column("prices")


def _create_index(
    name: str, columns: list[str], where: sa.TextClause | None = None, *, unique: bool = False
) -> None:
    partial: dict[str, Any] = {}
    if where is not None:
        partial = {"sqlite_where": where, "postgresql_where": where}
    op.create_index(name, "charges", columns, unique=unique, **partial)


def _personal_text(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.Text(), "postgresql")

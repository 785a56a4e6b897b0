"""parameters of lenses before a change, and resets of the count of SMS"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
oldest_code = "0.1.0"


def upgrade() -> None:
    for table in ("subscriptions", "messages"):
        op.add_column(
            table,
            sa.Column("sms_resets", sa.Integer(), nullable=False, server_default=sa.text("0")),
        )
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "graduation_changes",
        sa.Column("id", big, nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("last_delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_graduation_changes_account_id_accounts"
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["cart_items.id"], name="fk_graduation_changes_item_id_cart_items"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_graduation_changes"),
    )
    op.create_index("ix_graduation_changes_item_id", "graduation_changes", ["item_id"])


def downgrade() -> None:
    op.drop_table("graduation_changes")
    # No batch: it would drop and recreate a table to which others refer.
    for table in ("messages", "subscriptions"):
        op.drop_column(table, "sms_resets")

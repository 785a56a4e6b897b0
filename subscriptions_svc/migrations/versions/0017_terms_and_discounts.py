"""months that a subscription is renewed for, and what items cost before a discount"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    for table in ("merchants", "subscriptions"):
        op.add_column(
            table,
            sa.Column("renewal_months", sa.Integer(), nullable=False, server_default=sa.text("0")),
        )
    op.add_column("subscriptions", sa.Column("extended_year", sa.Integer(), nullable=True))
    op.add_column("cart_items", sa.Column("discount_type", sa.String(length=16), nullable=True))
    for name in ("original_price_with_tax", "original_subscription_price"):
        op.add_column("cart_items", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    # No batch: it would drop and recreate a table to which others refer.
    for name in ("original_subscription_price", "original_price_with_tax", "discount_type"):
        op.drop_column("cart_items", name)
    op.drop_column("subscriptions", "extended_year")
    for table in ("subscriptions", "merchants"):
        op.drop_column(table, "renewal_months")

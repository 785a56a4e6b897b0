"""when something was first handed over, and a merchant's days of withdrawal"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column(
        "merchants",
        sa.Column("withdrawal_days", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.add_column(
        "subscriptions", sa.Column("first_delivery_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.execute(
        "UPDATE subscriptions SET first_delivery_at = (SELECT min(handed_over_at) FROM ("
        "SELECT activated_at AS handed_over_at FROM cart_items "
        "WHERE cart_items.subscription_id = subscriptions.id UNION ALL "
        "SELECT delivered_at FROM box_deliveries "
        "WHERE box_deliveries.subscription_id = subscriptions.id) AS handed_over)"
    )


def downgrade() -> None:
    op.drop_column("subscriptions", "first_delivery_at")
    op.drop_column("merchants", "withdrawal_days")

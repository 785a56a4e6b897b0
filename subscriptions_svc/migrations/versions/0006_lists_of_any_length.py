"""how many subscriptions a store has, and indexes of lists"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "subscription_totals",
        sa.Column("merchant_id", sa.String(length=255), nullable=False),
        sa.Column("store_ref", sa.String(length=255), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"],
            ["merchants.id"],
            name=op.f("fk_subscription_totals_merchant_id"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "store_ref", name=op.f("pk_subscription_totals")),
    )
    op.execute(
        "INSERT INTO subscription_totals (merchant_id, store_ref, total) "
        "SELECT merchant_id, store_ref, count(*) FROM subscriptions GROUP BY 1, 2"
    )
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_subscriptions_status",
            [
                "merchant_id",
                "status",
                "created_at",
                "id",
                "renewal_at",
                "payment_status",
                "store_ref",
            ],
            unique=False,
        )
        batch_op.create_index(
            "ix_subscriptions_merchant_id_activated_at",
            ["merchant_id", "activated_at"],
            unique=False,
        )


def downgrade() -> None:
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.drop_index("ix_subscriptions_merchant_id_activated_at")
        batch_op.drop_index("ix_subscriptions_status")
    op.drop_table("subscription_totals")

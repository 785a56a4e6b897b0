"""prescriptions of contact lenses, the merchants' policies, and outcomes of boxes"""

import sqlalchemy as sa
from alembic import op

from chassis.store.database import Instant

revision = "0023"
down_revision = "0022"
oldest_code = "0.1.0"


def upgrade() -> None:
    op.add_column(
        "merchants",
        sa.Column(
            "prescription_policy", sa.String(8), nullable=False, server_default=sa.text("'none'")
        ),
    )
    op.create_table(
        "prescriptions",
        sa.Column("item_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("subscription_id", sa.String(36), nullable=False),
        sa.Column("details", sa.JSON),
        sa.Column("issued_on", sa.Date, nullable=False),
        sa.Column("expires_on", sa.Date, nullable=False),
        sa.Column("is_derived", sa.Boolean, nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(16)),
        sa.Column("requested_at", Instant()),
        sa.Column("verify_by", Instant()),
        sa.Column("decided_at", Instant()),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("replaced_at", Instant()),
        sa.PrimaryKeyConstraint("item_id", "version", name="pk_prescriptions"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name="fk_prescriptions_subscription_id_subscriptions",
        ),
    )
    op.create_index("ix_prescriptions_subscription_id", "prescriptions", ["subscription_id"])
    op.create_index("ix_prescriptions_expires_on", "prescriptions", ["expires_on"])
    op.create_index(
        "uq_prescriptions_in_force",
        "prescriptions",
        ["item_id"],
        unique=True,
        sqlite_where=sa.text("replaced_at IS NULL"),
        postgresql_where=sa.text("replaced_at IS NULL"),
    )
    op.add_column(
        "box_deliveries",
        sa.Column("outcome", sa.String(16), nullable=False, server_default=sa.text("'delivered'")),
    )
    op.create_table(
        "box_outcomes",
        sa.Column(
            "delivery_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False
        ),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("account_id", sa.Integer, nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_box_outcomes"),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["box_deliveries.id"],
            name="fk_box_outcomes_delivery_id_box_deliveries",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_box_outcomes_account_id_accounts"
        ),
    )


def downgrade() -> None:
    op.drop_table("box_outcomes")
    op.drop_column("box_deliveries", "outcome")
    op.drop_table("prescriptions")
    op.drop_column("merchants", "prescription_policy")

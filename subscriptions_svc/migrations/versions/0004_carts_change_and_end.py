"""carts that change, the end of a subscription, warranty events"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "cancellations",
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("purchase_fee", sa.BigInteger(), nullable=False),
        sa.Column("total_to_pay", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_cancellations_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_cancellations_subscription_id")
        ),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_cancellations")),
    )
    op.create_table(
        "pending_carts",
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("cart_items", sa.JSON(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_pending_carts_subscription_id")
        ),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_pending_carts")),
        sa.UniqueConstraint("code", name=op.f("uq_pending_carts_code")),
    )
    op.create_table(
        "cancelled_items",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("is_kept", sa.Boolean(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["cart_items.id"], name=op.f("fk_cancelled_items_item_id")
        ),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_cancelled_items")),
    )
    op.create_table(
        "warranty_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("charged_amount", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_warranty_events_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["cart_items.id"], name=op.f("fk_warranty_events_item_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warranty_events")),
    )
    with op.batch_alter_table("warranty_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_warranty_events_item_id"), ["item_id"], unique=False)

    with op.batch_alter_table("box_counters", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_box_counters_cap"), type_="check")
        batch_op.add_column(
            sa.Column("carried", sa.Integer(), server_default=sa.text("0"), nullable=False)
        )
        batch_op.create_check_constraint(
            op.f("ck_box_counters_cap"),
            "carried >= 0 AND delivered BETWEEN carried AND box_count + carried",
        )

    with op.batch_alter_table("box_deliveries", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_box_deliveries_delivered_at"), ["delivered_at"], unique=False
        )

    with op.batch_alter_table("cart_items", schema=None) as batch_op:
        batch_op.add_column(sa.Column("added_in", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("removed_in", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("merchants", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "first_year_exchanges", sa.Boolean(), server_default=sa.true(), nullable=False
            )
        )
        batch_op.add_column(
            sa.Column("amount_limit", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )

    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_subscriptions_due", ["status", "confirmed_at", "renewal_at"], unique=False
        )
        batch_op.create_index(
            "ix_subscriptions_merchant_id_nin", ["merchant_id", "nin"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.drop_index("ix_subscriptions_merchant_id_nin")
        batch_op.drop_index("ix_subscriptions_due")

    with op.batch_alter_table("merchants", schema=None) as batch_op:
        batch_op.drop_column("amount_limit")
        batch_op.drop_column("first_year_exchanges")

    with op.batch_alter_table("cart_items", schema=None) as batch_op:
        batch_op.drop_column("removed_at")
        batch_op.drop_column("removed_in")
        batch_op.drop_column("added_in")

    with op.batch_alter_table("box_deliveries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_box_deliveries_delivered_at"))

    with op.batch_alter_table("box_counters", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_box_counters_cap"), type_="check")
        batch_op.drop_column("carried")
        batch_op.create_check_constraint(
            op.f("ck_box_counters_cap"), "delivered BETWEEN 0 AND box_count"
        )

    with op.batch_alter_table("warranty_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_warranty_events_item_id"))

    op.drop_table("warranty_events")
    op.drop_table("cancelled_items")
    op.drop_table("pending_carts")
    op.drop_table("cancellations")

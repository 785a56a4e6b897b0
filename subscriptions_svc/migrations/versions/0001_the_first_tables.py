"""the first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("account_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rpc", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "rpc", "key", name=op.f("pk_idempotency_keys")),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_idempotency_keys_expires_at"), ["expires_at"], unique=False
        )

    op.create_table(
        "merchants",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("locale", sa.String(length=35), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchants")),
    )
    op.create_table(
        "reference_changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference_changes")),
    )
    op.create_table(
        "account_merchants",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("merchant_id", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_account_merchants_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_account_merchants_merchant_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "merchant_id", name=op.f("pk_account_merchants")),
    )
    op.create_table(
        "stores",
        sa.Column("merchant_id", sa.String(length=255), nullable=False),
        sa.Column("store_ref", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_stores_merchant_id")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "store_ref", name=op.f("pk_stores")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("merchant_id", sa.String(length=255), nullable=False),
        sa.Column("store_ref", sa.String(length=255), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("operator_ref", sa.String(length=255), nullable=True),
        sa.Column("given_names", sa.String(length=255), nullable=True),
        sa.Column("surnames", sa.String(length=255), nullable=True),
        sa.Column("mobile_phone", sa.String(length=255), nullable=True),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("date_of_birth", sa.Date(), nullable=True),
        sa.Column("nin", sa.String(length=255), nullable=True),
        sa.Column("nin_control", sa.String(length=255), nullable=True),
        sa.Column("address", sa.String(length=255), nullable=True),
        sa.Column("postal_code", sa.String(length=255), nullable=True),
        sa.Column("city", sa.String(length=255), nullable=True),
        sa.Column("discounts", sa.Text(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("payment_status", sa.String(length=16), nullable=False),
        sa.Column("contract_number", sa.String(length=16), nullable=True),
        sa.Column("cart_id", sa.String(length=36), nullable=False),
        sa.Column("cart_code", sa.String(length=32), nullable=False),
        sa.Column("total_months", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("renewal_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_subscriptions_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint("cart_code", name=op.f("uq_subscriptions_cart_code")),
        sa.UniqueConstraint(
            "merchant_id",
            "contract_number",
            name=op.f("uq_subscriptions_merchant_id_contract_number"),
        ),
    )
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_subscriptions_listing", ["merchant_id", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            "uq_subscriptions_live_reference",
            ["merchant_id", "reference"],
            unique=True,
            sqlite_where=sa.text("status NOT IN ('cancelled', 'finished')"),
            postgresql_where=sa.text("status NOT IN ('cancelled', 'finished')"),
        )

    op.create_table(
        "cart_items",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("reference_uuid", sa.String(length=36), nullable=False),
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price_with_tax", sa.BigInteger(), nullable=False),
        sa.Column("subscription_price", sa.BigInteger(), nullable=False),
        sa.Column("subscription_vat_rate", sa.Integer(), nullable=True),
        sa.Column("eye", sa.String(length=8), nullable=True),
        sa.Column("box_count", sa.Integer(), nullable=True),
        sa.Column("exchange_cycle", sa.Integer(), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["cart_items.id"], name=op.f("fk_cart_items_parent_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_cart_items_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart_items")),
        sa.UniqueConstraint("reference_uuid", name=op.f("uq_cart_items_reference_uuid")),
        sa.UniqueConstraint(
            "subscription_id", "position", name=op.f("uq_cart_items_subscription_id_position")
        ),
    )
    op.create_table(
        "box_counters",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("box_count", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("last_delivered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("delivered BETWEEN 0 AND box_count", name=op.f("ck_box_counters_cap")),
        sa.ForeignKeyConstraint(
            ["item_id"], ["cart_items.id"], name=op.f("fk_box_counters_item_id")
        ),
        sa.PrimaryKeyConstraint("item_id", "year", name=op.f("pk_box_counters")),
    )
    op.create_table(
        "box_deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_box_deliveries_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["cart_items.id"], name=op.f("fk_box_deliveries_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_box_deliveries_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_box_deliveries")),
    )
    with op.batch_alter_table("box_deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_box_deliveries_item_id"), ["item_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_box_deliveries_subscription_id"), ["subscription_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("box_deliveries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_box_deliveries_subscription_id"))
        batch_op.drop_index(batch_op.f("ix_box_deliveries_item_id"))

    op.drop_table("box_deliveries")
    op.drop_table("box_counters")
    op.drop_table("cart_items")
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_subscriptions_live_reference",
            sqlite_where=sa.text("status NOT IN ('cancelled', 'finished')"),
            postgresql_where=sa.text("status NOT IN ('cancelled', 'finished')"),
        )
        batch_op.drop_index("ix_subscriptions_listing")

    op.drop_table("subscriptions")
    op.drop_table("stores")
    op.drop_table("account_merchants")
    op.drop_table("reference_changes")
    op.drop_table("merchants")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_keys_expires_at"))

    op.drop_table("idempotency_keys")
    op.drop_table("accounts")

"""drafts that change, the window before transmission, history, and lens packages"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0011"

COLUMNS = (
    ("transmit_at", sa.DateTime(timezone=True)),
    ("client_cancelled_at", sa.DateTime(timezone=True)),
    ("lab_cancelled_at", sa.DateTime(timezone=True)),
    ("cancel_answer", sa.String(length=8)),
    ("cancel_reason", sa.String(length=250)),
    ("original_id", sa.String(length=32)),
)
PARTIAL_INDEXES = ("transmit_at", "original_id")


def upgrade() -> None:
    _resize_lab_status(16, 32)
    for name, kind in COLUMNS:
        op.add_column("orders", sa.Column(name, kind, nullable=True))
    op.add_column(
        "orders", sa.Column("has_copies", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    for name in PARTIAL_INDEXES:
        is_set = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_orders_{name}", "orders", [name], sqlite_where=is_set, postgresql_where=is_set
        )
    op.add_column("users", sa.Column("hold_minutes", sa.Integer(), nullable=True))
    op.create_table(
        "order_history",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=24), nullable=False),
        sa.Column("lab_status", sa.String(length=32), nullable=False),
        sa.Column("by", sa.String(length=8), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("lab_word", sa.String(length=250), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_order_history_order_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_order_history_user_id")),
        sa.PrimaryKeyConstraint("order_id", "version", name=op.f("pk_order_history")),
    )
    op.create_table(
        "lens_packages",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("lab_id", sa.String(length=64), nullable=False),
        sa.Column("account_number", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["lab_id"], ["labs.id"], name=op.f("fk_lens_packages_lab_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_lens_packages_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lens_packages")),
        sa.UniqueConstraint(
            "user_id",
            "lab_id",
            "account_number",
            "name",
            name=op.f("uq_lens_packages_user_id_lab_id_account_number_name"),
        ),
    )


def _resize_lab_status(before: int, after: int) -> None:
    """Change the length of orders.lab_status without rewriting the table.

    SQLite does not enforce lengths: only the text of its schema changes, the way that its
    documentation of ALTER TABLE describes.
    """
    tx = op.get_bind()
    if tx.dialect.name != "sqlite":
        op.alter_column(
            "orders",
            "lab_status",
            existing_type=sa.String(length=before),
            type_=sa.String(length=after),
            existing_nullable=False,
        )
        return
    version = tx.exec_driver_sql("PRAGMA schema_version").scalar_one()
    tx.exec_driver_sql("PRAGMA writable_schema = ON")
    tx.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ?",
        (f"lab_status VARCHAR({before})", f"lab_status VARCHAR({after})", "orders"),
    )
    tx.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    tx.exec_driver_sql("PRAGMA writable_schema = OFF")


def downgrade() -> None:
    op.drop_table("lens_packages")
    op.drop_table("order_history")
    op.drop_column("users", "hold_minutes")
    # Statuses that the older program does not know.
    op.execute(
        "UPDATE orders SET lab_status = 'submitted', submitted_at = updated_at "
        "WHERE lab_status = 'pending_transmission'"
    )
    for name in PARTIAL_INDEXES:
        op.drop_index(f"ix_orders_{name}", "orders")
    for name in ("has_copies", *(name for name, _ in reversed(COLUMNS))):
        op.drop_column("orders", name)
    _resize_lab_status(32, 16)

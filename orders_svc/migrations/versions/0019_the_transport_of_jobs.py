"""drops of labs, deliveries of jobs, status files, and the numbers of parcels"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

HAS_TRAY = sa.text("tray_number IS NOT NULL")


def upgrade() -> None:
    op.add_column("labs", sa.Column("job_drop", sa.JSON(), nullable=True))
    # Encrypted, it is longer.
    number = sa.String(length=100).with_variant(sa.Text(), "postgresql")
    op.add_column("orders", sa.Column("tracking_number", number, nullable=True))
    op.create_index(
        "ix_orders_trays_of_lab",
        "orders",
        ["lab_id", "tray_number"],
        sqlite_where=HAS_TRAY,
        postgresql_where=HAS_TRAY,
    )
    op.create_table(
        "job_deliveries",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(length=32), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_job_deliveries_order_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_job_deliveries")),
    )
    op.create_table(
        "status_polls",
        sa.Column("lab_id", sa.String(length=64), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=32), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["lab_id"], ["labs.id"], name=op.f("fk_status_polls_lab_id")),
        sa.PrimaryKeyConstraint("lab_id", name=op.f("pk_status_polls")),
    )
    op.create_index(op.f("ix_status_polls_due_at"), "status_polls", ["due_at"])
    op.create_table(
        "status_files",
        sa.Column("lab_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["lab_id"], ["labs.id"], name=op.f("fk_status_files_lab_id")),
        sa.PrimaryKeyConstraint("lab_id", "digest", name=op.f("pk_status_files")),
    )


def downgrade() -> None:
    op.drop_table("status_files")
    op.drop_table("status_polls")
    op.drop_table("job_deliveries")
    op.drop_index("ix_orders_trays_of_lab", "orders")
    op.drop_column("orders", "tracking_number")
    op.drop_column("labs", "job_drop")

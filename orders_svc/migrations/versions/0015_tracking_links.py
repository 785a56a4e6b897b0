"""tracking links of patients, and messages to them"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("orders", sa.Column("tracking_code", sa.String(length=43), nullable=True))
    is_set = sa.text("tracking_code IS NOT NULL")
    op.create_index(
        "ix_orders_tracking_code",
        "orders",
        ["tracking_code"],
        unique=True,
        sqlite_where=is_set,
        postgresql_where=is_set,
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index("ix_messages_order_id", "messages", ["order_id"])
    is_due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_messages_due", "messages", ["due_at"], sqlite_where=is_due, postgresql_where=is_due
    )


def downgrade() -> None:
    op.drop_table("messages")
    # A status that the older program does not know.
    op.execute("UPDATE orders SET lab_status = 'shipped' WHERE lab_status = 'ready_for_pickup'")
    op.drop_index("ix_orders_tracking_code", "orders")
    op.drop_column("orders", "tracking_code")

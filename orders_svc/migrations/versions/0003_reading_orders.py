"""what is read of orders: warnings, measures, and when they were sent to the lab"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("orders", sa.Column("warnings", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("orders", sa.Column("traced", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("orders", sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE orders SET submitted_at = created_at WHERE lab_status <> 'draft'")
    op.create_index("ix_orders_queue", "orders", ["lab_id", "lab_status", "submitted_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_orders_queue", "orders")
    for name in ("submitted_at", "traced", "warnings"):
        op.drop_column("orders", name)

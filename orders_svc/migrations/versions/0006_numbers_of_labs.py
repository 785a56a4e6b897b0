"""indexes of tray and invoice numbers hold orders that have one"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

NUMBERS = ("tray_number", "invoice_number")


def upgrade() -> None:
    for name in NUMBERS:
        op.drop_index(f"ix_orders_{name}", "orders")
        has_one = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_orders_{name}",
            "orders",
            ["account_id", name],
            sqlite_where=has_one,
            postgresql_where=has_one,
        )


def downgrade() -> None:
    for name in NUMBERS:
        op.drop_index(f"ix_orders_{name}", "orders")
        op.create_index(f"ix_orders_{name}", "orders", ["account_id", name])

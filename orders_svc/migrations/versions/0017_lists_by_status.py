"""an index for the lists of orders in one state"""

from alembic import op

revision = "0017"
down_revision = "0016"
COLUMNS = ["account_id", "lab_id", "account_number", "lab_status", "created_at", "id"]


def upgrade() -> None:
    op.create_index("ix_orders_listing_of_status", "orders", COLUMNS)


def downgrade() -> None:
    op.drop_index("ix_orders_listing_of_status", "orders")

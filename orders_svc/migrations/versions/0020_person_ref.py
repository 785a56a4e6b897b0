"""the owner's own reference of a person, by which lists are filtered"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
oldest_code = "0.1.0"


def upgrade() -> None:
    op.add_column("orders", sa.Column("person_ref", sa.String(64)))
    op.create_index(
        "ix_orders_person_ref",
        "orders",
        ["person_ref", "account_id", "created_at", "id"],
        sqlite_where=sa.text("person_ref IS NOT NULL"),
        postgresql_where=sa.text("person_ref IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_orders_person_ref", "orders")
    op.drop_column("orders", "person_ref")

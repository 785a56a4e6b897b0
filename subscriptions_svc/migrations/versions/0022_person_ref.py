"""the owner's own reference of a person, by which lists are filtered"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
oldest_code = "0.1.0"


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("person_ref", sa.String(64)))
    op.create_index(
        "ix_subscriptions_person_ref",
        "subscriptions",
        ["person_ref", "merchant_id"],
        sqlite_where=sa.text("person_ref IS NOT NULL"),
        postgresql_where=sa.text("person_ref IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_subscriptions_person_ref", "subscriptions")
    op.drop_column("subscriptions", "person_ref")

"""the owner's own reference of a person, by which lists are filtered"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
oldest_code = "0.1.0"


def upgrade() -> None:
    op.add_column("users", sa.Column("person_ref", sa.String(64)))
    op.create_index(
        "ix_users_person_ref",
        "users",
        ["person_ref", "account_id"],
        sqlite_where=sa.text("person_ref IS NOT NULL"),
        postgresql_where=sa.text("person_ref IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_users_person_ref", "users")
    op.drop_column("users", "person_ref")

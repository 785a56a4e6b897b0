"""the registry of encryption keys"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "encryption_keys",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("proof", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_encryption_keys"),
    )


def downgrade() -> None:
    op.drop_table("encryption_keys")

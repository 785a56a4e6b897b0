"""secrets that were rotated away"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "old_secrets",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_old_secrets_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "secret_hash", name=op.f("pk_old_secrets")),
    )


def downgrade() -> None:
    op.drop_table("old_secrets")

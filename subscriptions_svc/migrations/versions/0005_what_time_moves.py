"""an index for each of the moves that time alone makes"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ACTIVATING, ACTIVE = sa.text("status = 'activating'"), sa.text("status = 'active'")


def upgrade() -> None:
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.drop_index("ix_subscriptions_due")
        batch_op.create_index(
            "ix_subscriptions_activating",
            ["confirmed_at"],
            unique=False,
            sqlite_where=ACTIVATING,
            postgresql_where=ACTIVATING,
        )
        batch_op.create_index(
            "ix_subscriptions_active",
            ["renewal_at"],
            unique=False,
            sqlite_where=ACTIVE,
            postgresql_where=ACTIVE,
        )


def downgrade() -> None:
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.drop_index("ix_subscriptions_active")
        batch_op.drop_index("ix_subscriptions_activating")
        batch_op.create_index(
            "ix_subscriptions_due", ["status", "confirmed_at", "renewal_at"], unique=False
        )

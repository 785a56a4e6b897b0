"""the trace of the request that caused an event"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
oldest_code = "0.1.0"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("traceparent", sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.drop_column("traceparent")

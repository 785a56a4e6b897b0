"""how shoppers reach a merchant's shop"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    with op.batch_alter_table("merchants") as batch_op:
        batch_op.add_column(sa.Column("phone", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("email", sa.String(length=254), nullable=True))


def downgrade() -> None:
    # No batch: it would drop and recreate a table to which others refer.
    op.drop_column("merchants", "email")
    op.drop_column("merchants", "phone")

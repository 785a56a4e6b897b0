"""sizes of blanks and least fitting heights in catalogs"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

COLUMNS = (
    ("styles", "least_fitting_height", sa.Float()),
    ("styles", "blank_sizes", sa.JSON()),
    ("materials", "blank_sizes", sa.JSON()),
)


def upgrade() -> None:
    for table, name, kind in COLUMNS:
        op.add_column(table, sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)

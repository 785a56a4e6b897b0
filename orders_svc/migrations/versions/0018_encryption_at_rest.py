"""the registry of encryption keys, and columns that hold what is encrypted

PostgreSQL enforces the lengths of columns: texts become unbounded there, at once. SQLite holds
texts of any length.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

TEXTS = {"orders": "cancel_reason", "order_history": "lab_word"}


def upgrade() -> None:
    op.create_table(
        "encryption_keys",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("proof", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_encryption_keys"),
    )
    _change("TEXT")


def downgrade() -> None:
    _change("VARCHAR(250)")
    op.drop_table("encryption_keys")


def _change(kind: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, name in TEXTS.items():
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {kind}")

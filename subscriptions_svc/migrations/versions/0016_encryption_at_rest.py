"""the registry of encryption keys, and columns that hold what is encrypted

PostgreSQL enforces the lengths and types of columns: texts become unbounded there, at once, and
the day of birth a text, for which the table is written anew. SQLite holds both in any column.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

SHOPPER = (
    "given_names",
    "surnames",
    "mobile_phone",
    "email",
    "nin",
    "nin_control",
    "address",
    "postal_code",
    "city",
)
OTHERS = {"warranty_events": "name", "cancellations": "reason"}


def upgrade() -> None:
    op.create_table(
        "encryption_keys",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("proof", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_encryption_keys"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _change("TEXT", "TEXT", "to_char(date_of_birth, 'YYYY-MM-DD')")
        _change_others("TEXT")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _change("DATE", "VARCHAR(255)", "date_of_birth::date")
        _change_others("VARCHAR(255)")
    op.drop_table("encryption_keys")


def _change_others(text: str) -> None:
    for table, name in OTHERS.items():
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {text}")


def _change(day: str, text: str, conversion: str) -> None:
    """Change the types in one statement, so that the table is written anew once."""
    texts = [f"ALTER COLUMN {name} TYPE {text}" for name in SHOPPER]
    born = f"ALTER COLUMN date_of_birth TYPE {day} USING {conversion}"
    op.execute(f"ALTER TABLE subscriptions {', '.join([born, *texts])}")

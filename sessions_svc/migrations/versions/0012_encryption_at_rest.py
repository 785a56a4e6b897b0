"""the registry of encryption keys, and columns that hold what is encrypted

PostgreSQL enforces the lengths and types of columns: texts become unbounded there, at once, and
days become texts, for which the two tables are written anew. SQLite holds both in any column.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

TEXTS = {"email": 254, "first_name": 50, "last_name": 50, "region": 6}
MAX_ADDRESS = 2000  # of a redirect_url
DAYS = {"users": ("birthdate",), "dispensed_prescriptions": ("issue_date", "expiration_date")}


def upgrade() -> None:
    op.create_table(
        "encryption_keys",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("proof", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_encryption_keys"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _change("TEXT", dict.fromkeys(TEXTS, "TEXT"), "TEXT", "to_char({}, 'YYYY-MM-DD')")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        texts = {name: f"VARCHAR({n})" for name, n in TEXTS.items()}
        _change("DATE", texts, f"VARCHAR({MAX_ADDRESS})", "{}::date")
    op.drop_table("encryption_keys")


def _change(day: str, texts: dict[str, str], address: str, conversion: str) -> None:
    """Change the types of a table in one statement, so that it is written anew once."""
    for table, names in DAYS.items():
        changes = [
            f"ALTER COLUMN {name} TYPE {day} USING {conversion.format(name)}" for name in names
        ]
        if table == "users":
            changes += [f"ALTER COLUMN {name} TYPE {kind}" for name, kind in texts.items()]
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
    op.execute(f"ALTER TABLE links ALTER COLUMN redirect_url TYPE {address}")

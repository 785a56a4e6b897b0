"""the dashboard: its sessions, attempts to log in, and names that are searched"""

import unicodedata
from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BATCH = 1000
NAMES = ("first_last", "last_first")
INDEXES = (*NAMES, "tray_number", "invoice_number")
MAX_NAME_LENGTH = 400
APOSTROPHES = "'`\u2019\u02bc"


def upgrade() -> None:
    op.create_table(
        "dashboard_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_dashboard_sessions_user_id")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_dashboard_sessions")),
    )
    for name in ("user_id", "expires_at"):
        op.create_index(op.f(f"ix_dashboard_sessions_{name}"), "dashboard_sessions", [name])
    op.create_table(
        "login_attempts",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_attempts")),
    )
    op.create_index(op.f("ix_login_attempts_since"), "login_attempts", ["since"])
    folded = sa.String(length=400).with_variant(sa.String(400, collation="C"), "postgresql")
    for name in NAMES:
        op.add_column("orders", sa.Column(name, folded, nullable=True))
    _fill()
    for name in INDEXES:
        op.create_index(f"ix_orders_{name}", "orders", ["account_id", name])


def _fill() -> None:
    """Fill in the names of existing orders."""
    tx = op.get_bind()
    orders = sa.table(
        "orders", sa.column("id"), sa.column("document", sa.JSON()), *map(sa.column, NAMES)
    )
    page = sa.select(orders.c.id, orders.c.document).order_by(orders.c.id).limit(BATCH)
    last = ""
    while rows := tx.execute(page.where(orders.c.id > last)).all():
        for id_, document in rows:
            names = _search_columns(document["patient"])
            tx.execute(sa.update(orders).where(orders.c.id == id_).values(names))
        last = rows[-1].id


def _search_columns(patient: Mapping[str, str]) -> dict[str, str]:
    """A patient's name in both orders, folded as it was when this migration was written."""
    first, last = _fold(patient["first_name"]), _fold(patient["last_name"])
    return {
        "first_last": f"{first} {last}"[:MAX_NAME_LENGTH],
        "last_first": f"{last} {first}"[:MAX_NAME_LENGTH],
    }


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(each if each.isalnum() else _gap(each) for each in plain).split())


def _gap(character: str) -> str:
    return "" if unicodedata.combining(character) or character in APOSTROPHES else " "


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(f"ix_orders_{name}", "orders")
    with op.batch_alter_table("orders") as batch_op:
        for name in NAMES:
            batch_op.drop_column(name)
    op.drop_table("login_attempts")
    op.drop_table("dashboard_sessions")

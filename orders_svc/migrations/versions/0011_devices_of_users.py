"""devices on which users have logged in, and versions of orders"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "login_devices",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_login_devices_user_id")),
        sa.PrimaryKeyConstraint("token_hash", "user_id", name=op.f("pk_login_devices")),
    )
    for name in ("user_id", "expires_at"):
        op.create_index(op.f(f"ix_login_devices_{name}"), "login_devices", [name])
    op.add_column("orders", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    with op.batch_alter_table("orders") as batch_op:
        batch_op.drop_column("version")
    op.drop_table("login_devices")

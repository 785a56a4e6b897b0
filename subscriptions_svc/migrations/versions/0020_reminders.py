"""reminders: which a merchant wants, when a subscription was looked at, and who wants none"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
oldest_code = "0.1.0"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "merchants",
        sa.Column("reminders", sa.String(255), nullable=False, server_default=sa.text("''")),
    )
    op.add_column("messages", sa.Column("reminder", sa.String(32), nullable=True))
    op.create_table(
        "reminders",
        sa.Column("subscription_id", sa.String(36), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("look_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.Column("stopped_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name="fk_reminders_subscription_id_subscriptions",
        ),
        sa.PrimaryKeyConstraint("subscription_id", name="pk_reminders"),
        sa.UniqueConstraint("code", name="uq_reminders_code"),
    )


def downgrade() -> None:
    op.drop_table("reminders")
    op.execute("DELETE FROM messages WHERE reminder IS NOT NULL")
    op.drop_column("messages", "reminder")
    op.drop_column("merchants", "reminders")

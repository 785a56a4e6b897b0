"""what a person chooses and answers in the exam, names of stores, and what partners set of links"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
oldest_code = "0.1.0"

MAX_ADDRESS, MAX_HOST = 2000, 259  # of a redirect_url, and of a host with its port


def upgrade() -> None:
    op.add_column("stores", sa.Column("name", sa.String(100), nullable=True))
    op.add_column("sessions", sa.Column("chosen_product", sa.String(16), nullable=True))
    op.add_column("sessions", sa.Column("eye_health", sa.JSON(), nullable=True))
    op.add_column("sessions", sa.Column("verifications", sa.JSON(), nullable=True))
    op.add_column("partners", sa.Column("redirect_url", sa.String(MAX_ADDRESS), nullable=True))
    op.add_column("partners", sa.Column("link_host", sa.String(MAX_HOST), nullable=True))
    op.add_column("partners", sa.Column("language", sa.String(2), nullable=True))
    op.add_column(
        "partners",
        sa.Column("prescription_pdf", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    with op.batch_alter_table("partners") as partners:
        for name in ("prescription_pdf", "language", "link_host", "redirect_url"):
            partners.drop_column(name)
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_column("verifications")
        sessions.drop_column("eye_health")
        sessions.drop_column("chosen_product")
    with op.batch_alter_table("stores") as stores:
        stores.drop_column("name")

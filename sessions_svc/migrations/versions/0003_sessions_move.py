"""sessions move: what is missing, what was found, what was dispensed"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("is_acuity", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(sa.Column("missing_requirements", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("visual_acuity", sa.JSON(), nullable=True))
    op.execute(
        "UPDATE sessions SET is_acuity = true WHERE CAST(products AS TEXT) LIKE '%acuity-service%'"
    )
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "dispensed_prescriptions",
        sa.Column("id", serial, nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("issue_date", sa.Date(), nullable=False),
        sa.Column("expiration_date", sa.Date(), nullable=False),
        sa.Column("eyes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_dispensed_prescriptions_session_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispensed_prescriptions")),
    )
    with op.batch_alter_table("dispensed_prescriptions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_dispensed_prescriptions_session_id"), ["session_id"], unique=False
        )
    op.create_table(
        "assets",
        sa.Column("id", serial, nullable=False),
        sa.Column("prescription_id", serial, nullable=False),
        sa.Column("content_type", sa.String(length=127), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["prescription_id"],
            ["dispensed_prescriptions.id"],
            name=op.f("fk_assets_prescription_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assets")),
    )
    with op.batch_alter_table("assets", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_assets_prescription_id"), ["prescription_id"], unique=False
        )


def downgrade() -> None:
    op.drop_table("assets")
    op.drop_table("dispensed_prescriptions")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_column("visual_acuity")
        batch_op.drop_column("missing_requirements")
        batch_op.drop_column("is_acuity")

"""materials that are made in the same styles, or take the same addons, share their rows"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for name in ("styles_of", "addons_of"):
        column = sa.Column(name, sa.String(length=64), nullable=False, server_default="")
        op.add_column("materials", column)
    # Each material has rows of its own until its lab is loaded again.
    op.execute("UPDATE materials SET styles_of = id, addons_of = id")
    op.create_index("ix_materials_styles_of", "materials", ["lab_id", "styles_of"])


def downgrade() -> None:
    op.execute(
        "INSERT INTO style_materials (lab_id, style_id, material_id) "
        "SELECT m.lab_id, s.style_id, m.id FROM materials m JOIN style_materials s "
        "ON s.lab_id = m.lab_id AND s.material_id = m.styles_of WHERE m.styles_of <> m.id"
    )
    op.execute(
        "INSERT INTO addons (lab_id, material_id, kind, id, name, type) "
        "SELECT m.lab_id, m.id, a.kind, a.id, a.name, a.type FROM materials m JOIN addons a "
        "ON a.lab_id = m.lab_id AND a.material_id = m.addons_of WHERE m.addons_of <> m.id"
    )
    op.drop_index("ix_materials_styles_of", "materials")
    for name in ("addons_of", "styles_of"):
        op.drop_column("materials", name)

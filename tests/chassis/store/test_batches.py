"""A migration in batches: each is durable, and the next run continues after an interruption."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from chassis.store.database import Database
from chassis.store.migrations import migrate
from chassis.store.versions import is_current
from tests.serving import to_version

ENVIRONMENT = """
from sqlalchemy import MetaData
from chassis.store.migrations import run_migrations

run_migrations(MetaData())
"""
FIRST = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "b1", None


def upgrade():
    op.create_table("numbers", sa.Column("number", sa.Integer()), sa.Column("square", sa.Integer()))
    for number in range(5):
        op.execute(f"INSERT INTO numbers (number) VALUES ({number})")


def downgrade():
    op.drop_table("numbers")
"""
SECOND = """
import sqlalchemy as sa

revision, down_revision = "b2", "b1"


def prepare(tx):
    found = tx.exec_driver_sql(
        "SELECT number FROM numbers WHERE square IS NULL ORDER BY number LIMIT 2"
    ).all()
    for (number,) in found:
        if (FAILS, number) == (True, 2):
            raise KeyboardInterrupt
        tx.exec_driver_sql(f"UPDATE numbers SET square = {number * number} WHERE number = {number}")
    return len(found) == 2


def upgrade():
    pass


def downgrade():
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two migrations, of which the second one fails in its second batch."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENVIRONMENT)
    (tmp_path / "versions" / "b1.py").write_text(FIRST)
    (tmp_path / "versions" / "b2.py").write_text(SECOND + "\n\nFAILS = True\n")
    return tmp_path


def test_it_works(store_url: Callable[[str, str], str], engine: str, folder: Path) -> None:
    database = Database(store_url("sessions", engine))
    with database.write() as tx:
        tx.execute(text("DELETE FROM alembic_version"))
    squares = "SELECT count(square) FROM numbers"
    with pytest.raises(KeyboardInterrupt):
        migrate(database, folder)
    with database.read() as tx:
        assert tx.execute(text(squares)).scalar_one() == 2
        assert tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "b1"
    assert not is_current(database, folder)
    (folder / "versions" / "b2.py").write_text(SECOND + "\n\nFAILS = False\n")
    migrate(database, folder)
    with database.read() as tx:
        assert tx.execute(text(squares)).scalar_one() == 5
    assert is_current(database, folder)
    migrate(database, folder)
    to_version(database, folder, "b1", down=True)
    assert not is_current(database, folder)
    database.close()

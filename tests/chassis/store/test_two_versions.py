"""Code beside a newer schema, which says from which version of the code on it serves."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from chassis.settings.version import find_version
from chassis.store import versions
from chassis.store.database import Database
from chassis.store.migrations import find_schema_differences, migrate
from orders_svc.__main__ import cli
from orders_svc.definition import SERVICE
from tests.orders_svc.bodies import example, request
from tests.serving import open_database, serve

(HEAD,) = versions.find_heads(SERVICE.migrations)
REVISION = '''
"""what a later version adds"""

import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{head}"
{oldest_code}

def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))
'''
NEEDS = f"This schema needs optigate 99.10.0 or newer; this is {find_version()}: update it"


def migrate_later(url: str, folder: Path, oldest_code: str) -> None:
    """Migrate a store by a later version, whose revision says which code it serves."""
    later = folder / "migrations"
    shutil.copytree(SERVICE.migrations, later)
    revision = REVISION.format(head=HEAD, oldest_code=oldest_code)
    (later / "versions" / "9001_later.py").write_text(revision)
    database = Database(url)
    migrate(database, later)
    database.close()


def run(url: str, *words: str) -> tuple[int, str, str]:
    """What a command says, after its exit code."""
    done = CliRunner().invoke(cli, ["--database-url", url, *words])
    return done.exit_code, done.stdout, done.stderr


def test_each_revision_is_noted_with_the_oldest_code_that_it_serves(
    store_url: Callable[[str, str], str], engine: str
) -> None:
    database = Database(store_url("orders", engine))
    with database.read() as tx:
        noted = {row.revision: row.oldest_code for row in tx.execute(select(versions.REVISIONS))}
    assert noted.keys() == versions.read_revisions(SERVICE.migrations).keys()
    assert set(noted.values()) <= {"0.1.0", find_version()}
    assert find_schema_differences(database, SERVICE.metadata) == []
    database.close()


def test_code_starts_on_a_newer_schema_that_serves_it(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    url = store_url("orders", engine)
    migrate_later(url, tmp_path, f'oldest_code = "{find_version()}"')
    database = Database(url)
    assert versions.read_state(database, "orders", SERVICE.migrations) == versions.AHEAD
    database.close()
    assert run(url, "accounts", "add", "somebody")[::2] == (0, "")
    assert run(url, "migrate") == (0, "orders: the schema is at 9001 already\n", "")
    served = serve("orders", open_database(url))
    assert served.call("CreateOrder", request(example())).id.startswith("ord_")
    served.stop()
    warned = "warning: The schema is newer than this version of orders_svc, and serves it still:"
    assert f"{warned} update it.\n" in run(url, "doctor")[1]


def test_code_is_refused_by_a_schema_that_needs_newer_code(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    url = store_url("orders", engine)
    migrate_later(url, tmp_path, 'oldest_code = "99.10.0"')
    for words in (["serve"], ["migrate"], ["accounts", "list"]):
        assert run(url, *words) == (1, "", f"Error: {NEEDS}, or restore a backup of before.\n")
    assert f"fault: {NEEDS}.\n" in run(url, "doctor")[1]


def test_the_last_word_is_that_of_the_most_demanding_revision(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    url = store_url("orders", engine)
    migrate_later(url, tmp_path, 'oldest_code = "99.10.0"')
    database = Database(url)
    with database.write() as tx:
        tx.execute(versions.REVISIONS.insert().values(revision="9002", oldest_code="99.9.0"))
        tx.execute(text("UPDATE alembic_version SET version_num = '9002'"))
    assert versions.find_needed_code(database, SERVICE.migrations) == "99.10.0"
    database.close()


def test_a_revision_that_says_nothing_serves_the_code_that_brings_it(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    url = store_url("orders", engine)
    migrate_later(url, tmp_path, "")
    database = Database(url)
    assert versions.find_needed_code(database, SERVICE.migrations) == find_version()
    database.close()


@pytest.mark.parametrize(
    ("version", "needed", "enough"),
    [
        ("0.10.0", "0.9.3", True),
        ("0.9.3", "0.10.0", False),
        ("1.0.0", "1.0.0", True),
        ("1.0.0rc1", "1.0.0", True),
        ("unknown", "0.1.0", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, needed: str, enough: bool) -> None:
    assert versions.is_at_least(version, needed) is enough

"""The version of a store's schema, told without alembic, which only migrations need.

`schema_revisions` stands beside `alembic_version` in each store. There `migrate` notes of every
revision the oldest version of the code that it serves (`oldest_code` of the migration's module), so
that code which does not know a revision can tell whether it may run on it.
"""

import ast
import re
import threading
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    column,
    inspect,
    select,
    table,
)

from chassis.settings.version import find_version
from chassis.store.database import Database

CURRENT, OLDER, NEWER, FOREIGN = "current", "older", "newer", "foreign"
AHEAD = "ahead"  # newer, and it serves this code
USABLE = (CURRENT, AHEAD)
TABLE = "alembic_version"
# Python 3.11 counts the depth of all threads' trees in one place, and fails where two are built.
_PARSING = threading.Lock()
REVISIONS = Table(
    "schema_revisions",
    MetaData(),
    Column("revision", String(32), primary_key=True),
    Column("oldest_code", String(32), nullable=False),
)


def read_state(database: Database, main_table: str, migrations: Path) -> str:
    """Return whether a store is CURRENT, OLDER (or empty), AHEAD, NEWER, or FOREIGN.

    Every revision of a service has the `main_table`, which bears the service's name.
    """
    applied = read_applied(database)
    with database.read() as tx:
        tables = set(inspect(tx).get_table_names()) - {TABLE, REVISIONS.name}
    if tables and main_table not in tables:
        return FOREIGN
    if applied == find_heads(migrations):
        return CURRENT
    if applied <= read_revisions(migrations).keys():
        return OLDER
    needed = find_needed_code(database, migrations)
    return AHEAD if needed and is_at_least(find_version(), needed) else NEWER


def find_needed_code(database: Database, migrations: Path) -> str | None:
    """Return the oldest version of the code that a newer schema serves; None if it does not say."""
    known, applied = read_revisions(migrations).keys(), read_applied(database)
    with database.read() as tx:
        if not inspect(tx).has_table(REVISIONS.name):
            return None
        noted = {row.revision: row.oldest_code for row in tx.execute(select(REVISIONS))}
    if not applied <= noted.keys():
        return None
    return max((noted[each] for each in noted.keys() - known), key=_parse, default=None)


def describe_newer(database: Database, module: str, migrations: Path) -> str:
    """Return why a newer schema keeps this code from running; the sentence has no end yet."""
    needed = find_needed_code(database, migrations)
    if needed is None:
        return f"The schema is newer than this version of {module}: update it"
    return f"This schema needs optigate {needed} or newer; this is {find_version()}: update it"


def note_revisions(tx: Connection, migrations: Path) -> None:
    """Note the oldest code of each revision up to the store's that has no note yet.

    A migration without `oldest_code` serves none that is older than the code that brings it.
    """
    REVISIONS.create(tx, checkfirst=True)
    noted = set(tx.execute(select(REVISIONS.c.revision)).scalars())
    names = {each["revision"]: each for each in _read_modules(migrations)}
    version = find_version()
    revision = tx.execute(select(column("version_num")).select_from(table(TABLE))).scalar()
    while revision in names:
        if revision not in noted:
            oldest = names[revision].get("oldest_code") or version
            tx.execute(REVISIONS.insert().values(revision=revision, oldest_code=oldest))
        revision = names[revision]["down_revision"]


def is_at_least(version: str, needed: str) -> bool:
    """Whether a version is not older than another."""
    return _parse(version) >= _parse(needed)


def _parse(version: str) -> list[int]:
    return [int(number) for number in re.findall("[0-9]+", version)[:3]]


def read_applied(database: Database) -> set[str]:
    """Return the revision of a store, in a set that is empty for one without tables."""
    with database.read() as tx:
        if not inspect(tx).has_table(TABLE):
            return set()
        return set(tx.execute(select(column("version_num")).select_from(table(TABLE))).scalars())


def is_current(database: Database, migrations: Path) -> bool:
    """Whether the store is at the newest version."""
    return read_applied(database) == find_heads(migrations)


def find_heads(migrations: Path) -> set[str]:
    """Return the revisions that no other revision follows."""
    followers = read_revisions(migrations)
    return followers.keys() - set(followers.values())


def read_revisions(migrations: Path) -> dict[str, str | None]:
    """Return each revision with the one that it follows."""
    return {names["revision"]: names["down_revision"] for names in _read_modules(migrations)}


def _read_modules(migrations: Path) -> list[dict[str, Any]]:
    return [_read_names(file) for file in (migrations / "versions").glob("*.py")]


@cache
def _read_names(file: Path) -> dict[str, Any]:
    """Return the constants of a module, which is not run."""
    names = {}
    with _PARSING:
        tree = ast.parse(file.read_bytes())
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            for target, value in _pair(statement.targets[0], statement.value):
                if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                    names[target.id] = value.value
    return names


def _pair(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Return each target with its value: `a, b = 1, 2` has two."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]

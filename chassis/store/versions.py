"""The version of a store's schema, told without alembic, which only migrations need."""

import ast
from pathlib import Path
from typing import Any

from sqlalchemy import column, inspect, select, table

from chassis.store.database import Database

CURRENT, OLDER, NEWER, FOREIGN = "current", "older", "newer", "foreign"
TABLE = "alembic_version"


def read_state(database: Database, main_table: str, migrations: Path) -> str:
    """Return whether a store is CURRENT, OLDER (or empty), NEWER, or FOREIGN: no such service's.

    Every revision of a service has the `main_table`, which bears the service's name.
    """
    applied = read_applied(database)
    with database.read() as tx:
        tables = set(inspect(tx).get_table_names()) - {TABLE}
    if tables and main_table not in tables:
        return FOREIGN
    if applied == find_heads(migrations):
        return CURRENT
    return OLDER if applied <= read_revisions(migrations).keys() else NEWER


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
    named = map(_read_names, (migrations / "versions").glob("*.py"))
    return {names["revision"]: names["down_revision"] for names in named}


def _read_names(file: Path) -> dict[str, Any]:
    """Return the constants of a module, which is not run."""
    names = {}
    for statement in ast.parse(file.read_bytes()).body:
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

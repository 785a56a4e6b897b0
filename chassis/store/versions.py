"""The version of a store's schema, told without alembic, which only migrations need."""

import ast
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text

from chassis.store.database import Database


def is_current(database: Database, migrations: Path) -> bool:
    """Whether the store is at the newest version."""
    with database.read() as tx:
        if not inspect(tx).has_table("alembic_version"):
            return False
        applied = set(tx.execute(text("SELECT version_num FROM alembic_version")).scalars())
    return applied == find_heads(migrations)


def find_heads(migrations: Path) -> set[str]:
    """Return the revisions that no other revision follows."""
    revisions, followed = set(), set()
    for file in (migrations / "versions").glob("*.py"):
        names = _read_names(file)
        revisions.add(names["revision"])
        followed.add(names["down_revision"])
    return revisions - followed


def _read_names(file: Path) -> dict[str, Any]:
    """Return the constants of a module, which is not run."""
    return {
        statement.targets[0].id: statement.value.value
        for statement in ast.parse(file.read_bytes()).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
    }

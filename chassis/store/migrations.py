"""Schema versions of one service's store, by alembic."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from chassis.store.database import Database, Instant
from chassis.store.postgres import settle_role, unhurried

ADVISORY_LOCK_KEY = 0x0971_6A7E  # any number, the same in every process that migrates


def alembic_config(folder: Path) -> Config:
    """An alembic configuration without an ini file."""
    made = Config()
    made.set_main_option("script_location", str(folder))
    made.set_main_option("path_separator", "os")
    return made


def migrate(database: Database, folder: Path) -> None:
    """Bring the store to the newest version; safe to run twice at once.

    A migration that changes many rows may have `prepare(tx)`, which changes one batch and returns
    whether there are more. Each call is a transaction; after an interruption the next `migrate`
    continues, since the store knows how far the migration has come.
    """
    for script in _list_pending(database, folder):
        if prepare := getattr(script.module, "prepare", None):
            _upgrade(database, folder, str(script.down_revision))
            while _prepare_batch(database, script, prepare):
                pass
    _upgrade(database, folder, "head")


def _list_pending(database: Database, folder: Path) -> list[Script]:
    """Return the migrations that the store lacks, oldest first."""
    scripts = ScriptDirectory.from_config(alembic_config(folder))
    with database.read() as tx:
        current = MigrationContext.configure(tx).get_current_revision()
    return list(scripts.iterate_revisions("head", current or "base"))[::-1]


def _prepare_batch(
    database: Database, script: Script, prepare: Callable[[Connection], bool]
) -> bool:
    """Run one batch, unless another process has completed the migration; whether more follow."""
    with _alone(database) as tx:
        current = MigrationContext.configure(tx).get_current_revision()
        return current == script.down_revision and prepare(tx)


def _upgrade(database: Database, folder: Path, revision: str) -> None:
    with _alone(database) as tx:
        made = alembic_config(folder)
        made.attributes["connection"] = tx
        command.upgrade(made, revision)


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    with database.write() as tx:
        if database.is_sqlite:
            yield tx
            return
        # A request may not take long, a migration may: it waits, and rewrites large tables.
        with unhurried(tx):
            tx.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK_KEY})"))
            yield tx
            settle_role(tx)


def run_migrations(metadata: MetaData) -> None:
    """What a service's migrations/env.py does, in the transaction of `migrate`."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        render_item=_as_plain_type,
    )
    context.run_migrations()


def _as_plain_type(kind: str, item: object, _context: object) -> str | Literal[False]:
    """A migration stands by itself: it names no type of ours."""
    own = kind == "type" and isinstance(item, Instant)
    return "sa.DateTime(timezone=True)" if own else False


def is_current(database: Database, folder: Path) -> bool:
    """Whether the store is at the newest version."""
    with database.read() as tx:
        heads = set(MigrationContext.configure(tx).get_current_heads())
    return heads == set(ScriptDirectory.from_config(alembic_config(folder)).get_heads())


def schema_differences(database: Database, metadata: MetaData) -> list[object]:
    """What the store lacks or has beyond the tables of the code."""
    with database.read() as tx:
        return list(compare_metadata(MigrationContext.configure(tx), metadata))

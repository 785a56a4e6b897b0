"""Schema migrations of a service's store, by alembic."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Literal

from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext, MigrationInfo
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from chassis.errors import Busy
from chassis.store.database import SHARED, Database, Instant
from chassis.store.postgres import add_conditions, settle_role, unhurried
from chassis.store.versions import REVISIONS, note_revisions

PATIENCE_SECONDS = 60.0  # for a SQLite file, which a process that serves it holds for moments
PAUSE_SECONDS = 0.05
ADVISORY_LOCK_KEY = 0x0971_6A7E  # an arbitrary number, the same in every process


def build_alembic_config(folder: Path) -> Config:
    """An alembic configuration without an ini file."""
    configuration = Config()
    configuration.set_main_option("script_location", str(folder))
    configuration.set_main_option("path_separator", "os")
    return configuration


def migrate(
    database: Database, folder: Path, report: Callable[[int, str], None] = lambda *_: None
) -> None:
    """Upgrade the store to the newest version; concurrent runs are safe.

    A migration that changes many rows may have `prepare(tx)`, which changes one batch and returns
    whether there are more. Each call is a transaction; after an interruption the next `migrate`
    continues, since the store knows how far the migration has come. `report` is told how many of
    the pending migrations are done, and what is being done.
    """
    pending = list_pending(database, folder)
    names = [script.revision for script in pending]

    def report_applied(revision: str) -> None:
        if revision in names:
            report(names.index(revision) + 1, revision)

    for done, script in enumerate(pending):
        if prepare := getattr(script.module, "prepare", None):
            _upgrade(database, folder, str(script.down_revision), report_applied)
            batches = 0
            while _prepare_batch(database, script, prepare):
                batches += 1
                report(done, f"{script.revision}, batch {batches}")
    _upgrade(database, folder, "head", report_applied)


def list_pending(database: Database, folder: Path) -> list[Script]:
    """Return the migrations that the store lacks, oldest first."""
    scripts = ScriptDirectory.from_config(build_alembic_config(folder))
    with database.read() as tx:
        current = MigrationContext.configure(tx).get_current_revision()
    return list(scripts.iterate_revisions("head", current or "base"))[::-1]


def _prepare_batch(
    database: Database, script: Script, prepare: Callable[[Connection], bool]
) -> bool:
    """Run one batch, unless another process has completed the migration; whether more follow."""
    with _exclusive_write(database) as tx:
        current = MigrationContext.configure(tx).get_current_revision()
        return current == script.down_revision and prepare(tx)


def _upgrade(
    database: Database, folder: Path, revision: str, report: Callable[[str], None]
) -> None:
    with _exclusive_write(database) as tx:
        configuration = build_alembic_config(folder)
        configuration.attributes["connection"] = tx
        configuration.attributes["report"] = report
        command.upgrade(configuration, revision)
        note_revisions(tx, folder)


@contextmanager
def _exclusive_write(database: Database) -> Iterator[Connection]:
    with ExitStack() as stack:
        tx = _begin_patiently(database, stack)
        if database.is_sqlite:
            yield tx
            return
        # The limits are for requests: a migration may wait, and rewrites large tables.
        with unhurried(tx):
            tx.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK_KEY})"))
            yield tx
            settle_role(tx)


def _begin_patiently(database: Database, stack: ExitStack) -> Connection:
    """Begin a transaction, though another process writes to the file again and again."""
    until = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return stack.enter_context(database.write())
        except Busy:
            if monotonic() > until:
                raise
            sleep(PAUSE_SECONDS)


def run_migrations(metadata: MetaData) -> None:
    """Run migrations in the transaction of `migrate`; called by a service's migrations/env.py."""
    connection = context.config.attributes["connection"]
    _add_postgres_conditions(metadata)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        render_item=_render_type,
        on_version_apply=_report_applied,
        include_object=_build_filter(connection),
    )
    context.run_migrations()


def _report_applied(ctx: object, step: MigrationInfo, heads: object, run_args: object) -> None:
    report = context.config.attributes.get("report")
    if report and step.up_revision_id:
        report(step.up_revision_id)


def _render_type(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Render our types as SQLAlchemy's: migrations must not depend on the code."""
    is_ours = kind == "type" and isinstance(item, Instant)
    return "sa.DateTime(timezone=True)" if is_ours else False


def find_schema_differences(database: Database, metadata: MetaData) -> list[object]:
    """The differences between the store and the tables in the code."""
    _add_postgres_conditions(metadata)
    with database.read() as tx:
        options = {"include_name": _is_of_services, "include_object": _build_filter(tx)}
        compared = MigrationContext.configure(tx, opts=options)
        return list(compare_metadata(compared, metadata))


def _add_postgres_conditions(metadata: MetaData) -> None:
    for table in metadata.tables.values():
        add_conditions(table)


def _is_of_services(name: str | None, kind: str, _parents: object) -> bool:
    return (kind, name) != ("table", REVISIONS.name)


def _build_filter(tx: Connection) -> Callable[..., bool]:
    """Return what tells alembic which things of the metadata this engine is to have."""
    has_shared_keys = tx.dialect.name == "sqlite"

    def is_wanted(item: Any, _name: str | None, kind: str, *_: Any) -> bool:
        is_shared = kind == "foreign_key_constraint" and any(
            each.info.get(SHARED) for each in item.elements
        )
        return has_shared_keys or not is_shared

    return is_wanted

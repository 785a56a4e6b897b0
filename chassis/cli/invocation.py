"""One run of a service's command line: its settings, and the service and the store when needed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.cli.service import Service
    from chassis.context import Call
    from chassis.store.database import Database
    from chassis.store.encryption.keyring import Keyring


@dataclass
class Invocation:
    """What the options before a command say; the service and its store are loaded on demand."""

    name: str
    data_dir: Path
    database_url: str
    prepare: bool
    log_dir: Path | None
    retain: timedelta | None = None  # how long personal fields are kept after the end
    retain_audit: timedelta | None = None
    encryption_keys: Path | None = None

    @property
    def module(self) -> str:
        """The module for `python -m`."""
        return f"{self.name}_svc"

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is SQLite, told without opening it."""
        return self.database_url.startswith("sqlite")

    @cached_property
    def service(self) -> "Service":
        """The service's definition."""
        found: Service = import_module(f"{self.module}.definition").SERVICE
        return found

    def open_any_version(self) -> "Database":
        """Open the store until the command ends."""
        ring = self.read_keyring()
        opened = _open_database(self.database_url, prepare=self.prepare, keyring=ring)
        return click.get_current_context().with_resource(opened)

    def open_store(self) -> "Database":
        """Open a store of this version until the command ends; raises ClickException for another.

        A refusal that ends the command is printed, and the exit code is 1.
        """
        from chassis.store.versions import is_current

        database = self.open_any_version()
        if not is_current(database, self.service.migrations):
            raise click.ClickException(
                f"The database is not at this version: run `python -m {self.module} migrate`."
            )
        self._check_keyring(database)
        database.before_commit = self.service.audit.record_change
        return database

    @contextmanager
    def change_reference(self) -> "Iterator[Connection]":
        """A transaction on the store that changes reference data."""
        from chassis.store.reference_cache import invalidate

        with self.open_store().write() as tx:
            yield tx
            invalidate(tx, self.service.changes)
            with self.act():
                self.service.audit.record_change(tx)

    @contextmanager
    def act(self) -> "Iterator[Call]":
        """Act as the call of who runs this command: the audit trail has an entry of it."""
        from chassis.persons import acting

        context = click.get_current_context()
        names = [context.command.name or ""]
        while (context := context.parent) and context.parent:  # type: ignore[assignment]
            names.insert(0, context.command.name or "")
        with acting(f"os:{find_user_name()}", " ".join(names)) as call:
            yield call

    def build_jobs(self, database: "Database") -> "list[Callable[[datetime], object]]":
        """The jobs that retention needs, once an hour."""
        from functools import partial

        from chassis.audit.sealer import delete_old_entries
        from chassis.persons import erase_old

        service = self.service
        jobs: list[Callable[[datetime], object]] = []
        if self.retain is not None:
            jobs.append(partial(erase_old, database, service.persons, self.retain))
        if self.retain_audit is not None:
            jobs.append(partial(delete_old_entries, database, service.audit, self.retain_audit))
        return jobs

    def list_sealed_folders(self) -> list[Path]:
        """Return the folders with files that are encrypted where encryption is on."""
        return [self.data_dir / name for name in self.service.sealed_folders]

    def configure_log(self) -> None:
        """Log into the folder of --log-dir, else to standard output."""
        from chassis.telemetry import configure

        configure(self.name, folder=self.log_dir)

    def read_keyring(self) -> "Keyring | None":
        """Return the ring of ENCRYPTION_KEYS; None where encryption is off."""
        if self.encryption_keys is None:
            return None
        from chassis.store.encryption.keyring import read_keyring

        try:
            return read_keyring(self.encryption_keys)
        except (ValueError, OSError) as error:
            raise click.ClickException(f"ENCRYPTION_KEYS: {error}") from None

    def _check_keyring(self, database: "Database") -> None:
        from chassis.store.encryption.registry import UnfitKeyring, check_keyring

        try:
            check_keyring(database, self.service.keys)
        except UnfitKeyring as misfit:
            raise click.ClickException(str(misfit)) from None


def find_user_name() -> str:
    """Return the user of this machine that runs the command, or their number."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@contextmanager
def _open_database(url: str, *, prepare: bool, keyring: "Keyring | None") -> "Iterator[Database]":
    from sqlalchemy.exc import ArgumentError

    from chassis.errors import Refusal
    from chassis.store.database import Database
    from chassis.store.encryption.keyring import Unopenable

    try:
        database = Database(url, prepare=prepare, keyring=keyring)
    except (ValueError, OSError, ArgumentError) as error:
        raise click.ClickException(f"DATABASE_URL: {error}") from None
    try:
        yield database
    except Refusal as refusal:
        click.echo(f"Error: {refusal.message}", err=True)
        sys.exit(1)
    except Unopenable as error:
        raise click.ClickException(
            f"An encrypted value does not open ({error}): it was changed, or comes from another"
            " place, or ENCRYPTION_KEYS lacks its key."
        ) from None
    finally:
        database.close()

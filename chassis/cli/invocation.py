"""One run of a service's command line: its settings, and the service and the store when needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from chassis.cli.stores import describe_unfit, find_missing_file, open_database

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.cli.service import Service
    from chassis.context import Call
    from chassis.store.database import Database
    from chassis.store.encryption.keyring import Keyring

T = TypeVar("T")


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
        """Open the store until the command ends, and create it where there is none."""
        ring = self.read_keyring()
        opened = open_database(self.database_url, prepare=self.prepare, keyring=ring)
        return click.get_current_context().with_resource(opened)

    def open_store(self) -> "Database":
        """Open a store of this version until the command ends; raises ClickException for another.

        A refusal that ends the command is printed, and the exit code is 1.
        """
        if missing := find_missing_file(self.database_url):
            raise click.ClickException(
                f"There is no store at {missing}: run `python -m {self.module} migrate`, or set"
                " DATA_DIR or DATABASE_URL to where it is."
            )
        database = self.open_any_version()
        if told := self.describe_unfit(database):
            raise click.ClickException(told)
        self._check_keyring(database)
        database.before_commit = self.service.audit.record_change
        return database

    def describe_unfit(self, database: "Database") -> str | None:
        """Return why a store is not one of this service and this version; None if it is."""
        return describe_unfit(database, self.name, self.module, self.service.migrations)

    def change_reference(self, change: "Callable[[Connection], T]") -> "T":
        """Return what `change` returns in a transaction, which is repeated on a conflict."""
        from chassis.store.conflicts import perform
        from chassis.store.reference_cache import invalidate

        def act(tx: "Connection") -> "T":
            changed = change(tx)
            invalidate(tx, self.service.changes)
            with self.act():
                self.service.audit.record_change(tx)
            return changed

        return perform(self.open_store(), act)

    @contextmanager
    def act(self) -> "Iterator[Call]":
        """Act as the call of who runs this command: the audit trail has an entry of it."""
        from chassis.persons import acting

        context = click.get_current_context()
        names: list[str] = []
        while context.parent and context.parent.obj is self:
            names.insert(0, context.command.name or "")
            context = context.parent
        with acting(f"os:{find_user_name()}", " ".join(names)) as call:
            yield call

    def build_jobs(self, database: "Database") -> "dict[str, Callable[[datetime], int]]":
        """The jobs that retention needs, once an hour, by what they count."""
        from functools import partial

        from chassis.audit.sealer import delete_old_entries
        from chassis.persons import erase_old

        service = self.service
        jobs: dict[str, Callable[[datetime], int]] = {}
        if self.retain is not None:
            jobs["erased"] = partial(erase_old, database, service.persons, self.retain)
        if self.retain_audit is not None:
            old_entries = partial(delete_old_entries, database, service.audit, self.retain_audit)
            jobs["entries of the audit trail deleted"] = old_entries
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

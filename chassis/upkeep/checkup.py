"""What `doctor` looks at, each finding a sentence: a warning, or a fault that needs a hand now."""

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Table, func, select

from chassis.events.outbox import Outbox
from chassis.events.states import DEAD, PENDING
from chassis.server.accounts import Accounts
from chassis.store.database import Database
from chassis.store.encryption.registry import UnfitKeyring, check_keyring, list_registered
from chassis.store.versions import (
    AHEAD,
    CURRENT,
    FOREIGN,
    NEWER,
    OLDER,
    describe_newer,
    read_state,
)

WARNING, FAULT = 1, 2  # the exit codes of `doctor`
MIN_FREE_BYTES = 200 * 2**20
COPIES_WITH_ROOM = 2  # of the store: a backup, and a migration that rewrites it
MAX_CLOCK_SKEW = timedelta(seconds=5)
MAX_EVENT_DELAY = timedelta(minutes=15)
MIN_CERTIFICATE_LIFETIME = timedelta(days=21)
CERTIFICATE_VARIABLES = ("GRPC_TLS_CERT", "GRPC_TLS_CLIENT_CA")
KEY_VARIABLE = "GRPC_TLS_KEY"
SQLITE_MAGIC = b"SQLite format 3\0"


class Finding(NamedTuple):
    """Something to look after."""

    level: int
    sentence: str


@dataclass(frozen=True)
class Checkup:
    """A service's store, and where it runs."""

    module: str
    migrations: Path
    accounts: Accounts
    outbox: Outbox
    now: datetime
    demo_secrets: Collection[str]
    find_demo_logins: Callable[[Connection], Iterable[str]]
    keys: Table  # of encryption

    def examine(self, database: Database) -> Iterator[Finding]:
        """Yield what is wrong with a store that can be read."""
        schema = list(self.check_schema(database))
        yield from schema
        if all(finding.level == WARNING for finding in schema):
            yield from self.check_clock(database)
            yield from self.check_keys(database)
            with database.read() as tx:
                yield from self.check_secrets(tx)
                yield from self.check_events(tx)

    def check_schema(self, database: Database) -> Iterator[Finding]:
        """Compare the store's revision with that of this version."""
        state = read_state(database, self.module.removesuffix("_svc"), self.migrations)
        if state == CURRENT:
            return
        if state == AHEAD:
            told = f"The schema is newer than this version of {self.module}, and serves it still:"
            yield Finding(WARNING, f"{told} update it.")
            return
        if state == NEWER:
            told = describe_newer(database, self.module, self.migrations)
            yield Finding(FAULT, f"{told}.")
            return
        told = {
            OLDER: f"The schema is older than this version: run `python -m {self.module} migrate`.",
            FOREIGN: f"The store is not one of {self.module}: check DATA_DIR and DATABASE_URL.",
        }[state]
        yield Finding(FAULT, told)

    def check_clock(self, database: Database) -> Iterator[Finding]:
        """Compare the clock with the database's, and with the newest event of the store."""
        table = self.outbox.table
        newest = select(table.c.created_at).order_by(table.c.sequence.desc()).limit(1)
        with database.read() as tx:
            last = tx.execute(newest).scalar()
            told = (
                None if database.is_sqlite else tx.execute(select(func.clock_timestamp())).scalar()
            )
            skew = told and abs(told - datetime.now(UTC))
        if skew and skew > MAX_CLOCK_SKEW:
            seconds = round(skew.total_seconds())
            yield Finding(FAULT, f"The clock differs from the database's by {seconds} seconds.")
        if last and last > self.now + MAX_CLOCK_SKEW:
            yield Finding(
                FAULT, f"The clock is behind the newest event, of {last:%Y-%m-%d %H:%M:%S} UTC."
            )

    def check_keys(self, database: Database) -> Iterator[Finding]:
        """Compare the ring with the keys that the store's rows are encrypted with."""
        try:
            check_keyring(database, self.keys)
        except UnfitKeyring as misfit:
            yield Finding(FAULT, str(misfit))
            return
        if database.keyring is None:
            return
        registered = set(list_registered(database, self.keys))
        former = sorted(registered - {database.keyring.current.name})
        if former:
            told = f"Rows may be encrypted with former keys ({', '.join(former)}):"
            yield Finding(WARNING, f"{told} run `python -m {self.module} keys rotate`.")

    def check_secrets(self, tx: Connection) -> Iterator[Finding]:
        """Find live accounts and logins whose secret is that of the demo."""
        for name in self.accounts.find_by_secrets(tx, self.demo_secrets, self.now):
            yield Finding(
                FAULT,
                f"The account {name} has the demo's secret, which anybody can read:"
                f" run `python -m {self.module} accounts revoke {name}`.",
            )
        for login in self.find_demo_logins(tx):
            yield Finding(
                FAULT, f"The login {login} has the demo's password, which anybody can read."
            )

    def check_events(self, tx: Connection) -> Iterator[Finding]:
        """Find events that are overdue or were given up, and endpoints that are disabled."""
        table = self.outbox.table
        count = select(func.count()).select_from(table)
        overdue = tx.execute(
            count.where(table.c.state == PENDING, table.c.due_at < self.now - MAX_EVENT_DELAY)
        ).scalar_one()
        if overdue:
            minutes = round(MAX_EVENT_DELAY.total_seconds() / 60)
            told = f"{overdue} events have been due for more than {minutes} minutes:"
            yield Finding(FAULT, f"{told} does a dispatcher run?")
        dead = tx.execute(count.where(table.c.state == DEAD)).scalar_one()
        if dead:
            told = f"{dead} events were given up: see `python -m {self.module} events list"
            yield Finding(WARNING, f"{told} --state {DEAD}`.")
        for endpoint in self.outbox.endpoints.all(tx):
            if endpoint.disabled_at:
                told = f"The endpoint of {endpoint.owner} is disabled since it answered 410"
                yield Finding(WARNING, f"{told}, on {endpoint.disabled_at:%Y-%m-%d}.")


def check_disk(folder: Path, store_bytes: int) -> Iterator[Finding]:
    """Compare the free space of a folder with what a backup or a migration takes."""
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        yield Finding(FAULT, f"Only {free // 2**20} MiB are free in {folder}.")
    elif free < COPIES_WITH_ROOM * store_bytes:
        yield Finding(
            WARNING,
            f"{free // 2**20} MiB are free in {folder}: too little for a backup and a migration of"
            f" a store of {store_bytes // 2**20} MiB.",
        )


def check_key_file(path: Path, data_dir: Path) -> Iterator[Finding]:
    """Find keys in a folder whose copies they would open."""
    if path.resolve().is_relative_to(data_dir.resolve()):
        yield Finding(
            WARNING,
            f"ENCRYPTION_KEYS: {path} is in the data folder, whose copies it opens: keep it apart.",
        )


def is_sqlite_file(path: Path) -> bool:
    """Return whether a file that exists is a store of SQLite, or the beginning of one."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) in (b"", SQLITE_MAGIC)
    return True


def check_permissions(paths: Iterable[Path]) -> Iterator[Finding]:
    """Find folders and files that others than their owner can read, or that are another's."""
    for path in paths:
        if not path.exists():
            continue
        found = path.stat()
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            wanted = "700" if path.is_dir() else "600"
            told = f"{path} is open to others (mode {mode:o}): run `chmod {wanted} {path}`."
            yield Finding(WARNING, told)
        if found.st_uid != os.geteuid():
            yield Finding(WARNING, f"{path} does not belong to the user that this runs as.")


def check_certificates(environment: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    """Find certificates of gRPC that have expired or will soon, and keys that others can read."""
    for variable in CERTIFICATE_VARIABLES:
        if environment.get(variable):
            yield from _check_certificate(variable, Path(environment[variable]), now)
    if environment.get(KEY_VARIABLE):
        key = Path(environment[KEY_VARIABLE])
        if not os.access(key, os.R_OK):
            yield Finding(FAULT, f"{KEY_VARIABLE}: {key} cannot be read.")
        yield from check_permissions([key])


def _check_certificate(variable: str, path: Path, now: datetime) -> Iterator[Finding]:
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        yield Finding(FAULT, f"{variable}: {path} cannot be read as certificates in PEM.")
        return
    for certificate in certificates:
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if ends <= now:
            yield Finding(FAULT, f"{variable}: {path} expired on {ends:%Y-%m-%d}.")
        elif ends <= now + MIN_CERTIFICATE_LIFETIME:
            yield Finding(WARNING, f"{variable}: {path} expires on {ends:%Y-%m-%d}.")
        if begins > now:
            yield Finding(FAULT, f"{variable}: {path} is not valid before {begins:%Y-%m-%d}.")

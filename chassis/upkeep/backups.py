"""Backup and restore of a SQLite store: one file, checked, with the service's mark in it.

The file is the store as of one commit, by SQLite's online backup, so the service goes on. Its
`application_id` says which service it is of, its `alembic_version` of which schema. PostgreSQL has
its own tools: `explain_postgres` returns their lines.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from chassis.locks import create_file
from chassis.store.sqlite import BUSY_SECONDS, find_error_name, hold_for_serving

MAX_PROBLEMS = 5  # of a damaged file that are reported
SIDE_FILES = ("-wal", "-shm")


class Refused(Exception):
    """A backup or a restore that is not made, with the sentence that says why."""


class Kept(NamedTuple):
    """A file that was written: its schema's revision, its size, the keys that it needs."""

    revision: str
    size: int
    key_names: list[str]


def back_up(store: Path, target: Path, service: str) -> Kept:
    """Copy a store to a new file while others use it; raises Refused."""
    if target.exists():
        raise Refused(f"{target} exists already; name a new file.")
    if not store.exists():
        raise Refused(f"There is no store at {store}.")
    with _report_errors(store), closing(_connect(store)) as source:
        revision = _find_revision(source)
        if revision is None:
            raise Refused(f"{store} holds no store: run `migrate` first.")
        with _write_beside(target) as partial:
            _copy(source, partial, service)
            partial.rename(target)
    _sync_folder(target)
    return Kept(revision, target.stat().st_size, find_key_names(target))


def restore(
    source: Path, store: Path, service: str, known: Collection[str], now: datetime, *, replace: bool
) -> tuple[Kept, Path | None]:
    """Put a backup in the place of a store that nobody uses; raises Refused.

    `known` are the revisions of this version's schema. With `replace` an existing store is set
    aside, and its new path is returned.
    """
    revision = check_backup(source, service, known)
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with hold_for_serving(store, 0):
            exists = store.exists() and store.stat().st_size > 0
            if exists and not replace:
                raise Refused(f"{store} exists: move it away, or pass --replace to set it aside.")
            with _write_beside(store) as partial:
                with _report_errors(source), closing(_connect(source, "ro")) as opened:
                    _copy(opened, partial, service)
                aside = _set_aside(store, now) if exists else None
                partial.replace(store)
            _sync_folder(store)
    except BlockingIOError:
        raise Refused(f"A service serves {store}: stop it first.") from None
    return Kept(revision, store.stat().st_size, find_key_names(store)), aside


def check_backup(source: Path, service: str, known: Collection[str]) -> str:
    """Return the revision of a backup that this version of the service can use; raises Refused."""
    if not source.is_file():
        raise Refused(f"There is no file {source}.")
    with _report_errors(source), closing(_connect(source, "ro")) as opened:
        mark = opened.execute("PRAGMA application_id").fetchone()[0]
        revision = _find_revision(opened)
        if mark != compute_mark(service):
            whose = "no backup: make one with `backup`" if mark == 0 else "of another service"
            raise Refused(f"{source} is {whose}.")
        if revision is None or revision not in known:
            raise Refused(
                f"{source} has the schema {revision}, which is newer than this version of the"
                f" {service} service: update it first."
            )
        _check_integrity(opened, source)
    return revision


def find_key_names(path: Path) -> list[str]:
    """Return the names of the keys that the rows of a store are encrypted with."""
    table = "SELECT count(*) FROM sqlite_master WHERE name = 'encryption_keys'"
    with _report_errors(path), closing(_connect(path, "ro")) as opened:
        if not opened.execute(table).fetchone()[0]:
            return []
        rows = opened.execute("SELECT name FROM encryption_keys ORDER BY name")
        return [str(name) for (name,) in rows]


def compute_mark(service: str) -> int:
    """Return the application_id of a service's backups: 31 bits of a digest of its name."""
    digest = hashlib.sha256(f"optigate {service}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1 or 1


def explain_postgres(name: str) -> str:
    """Return what to run on PostgreSQL, which keeps its own backups."""
    return (
        "PostgreSQL is backed up and restored by its own tools:\n"
        f"  pg_dump --format=custom --no-owner --no-privileges --file={name}.dump"
        f" postgresql://USER@HOST/{name}\n"
        "  pg_restore --exit-on-error --single-transaction --no-owner --no-privileges"
        f" --dbname=postgresql://USER@HOST/NEW_DATABASE {name}.dump\n"
        f"and then `python -m {name}_svc migrate` with DATABASE_URL of the new database.\n"
        "A dump holds encrypted rows as they are: keep the file of ENCRYPTION_KEYS apart from it."
    )


def _connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)


@contextmanager
def _report_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a sentence; their text names no row."""
    try:
        yield
    except sqlite3.Error as error:
        raise Refused(f"{path} cannot be used: {find_error_name(error) or error}.") from error


@contextmanager
def _write_beside(target: Path) -> Iterator[Path]:
    """A new empty file in the target's folder, which is deleted unless it is renamed."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    try:
        create_file(partial)
        yield partial
    except OSError as error:
        raise Refused(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, partial: Path, service: str) -> None:
    """Copy one snapshot into an empty file, mark it, check it, and have it on the disk."""
    with closing(_connect(partial)) as copy:
        # In one step, so that writers of the source do not make it begin again.
        source.backup(copy, pages=-1, progress=_build_watch(BUSY_SECONDS))
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a WAL beside it
        copy.execute(f"PRAGMA application_id={compute_mark(service)}")
        _check_integrity(copy, partial)
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _build_watch(seconds: float) -> Callable[[int, int, int], None]:
    """Return a `progress` that raises once the source has been locked for some seconds."""
    deadline = monotonic() + seconds

    def watch(status: int, _remaining: int, _total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")

    return watch


def _find_revision(opened: sqlite3.Connection) -> str | None:
    """Return the revision of a store's schema; None for a file without one."""
    tables = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
    if not opened.execute(tables).fetchone()[0]:
        return None
    row = opened.execute("SELECT version_num FROM alembic_version").fetchone()
    return row and str(row[0])


def _check_integrity(opened: sqlite3.Connection, path: Path) -> None:
    """Raise Refused for a damaged file, or rows that point to nothing."""
    found = opened.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})").fetchall()
    problems = [str(text) for (text,) in found if text != "ok"]
    problems += [
        f"a row of {table} points to a row of {parent} that does not exist"
        for table, _, parent, _ in opened.execute("PRAGMA foreign_key_check").fetchmany(
            MAX_PROBLEMS
        )
    ]
    if problems:
        raise Refused(f"{path} is damaged: {'; '.join(problems)}.")


def _set_aside(store: Path, now: datetime) -> Path:
    """Rename a store that nobody has open, and return its new path."""
    aside = store.with_name(f"{store.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    try:
        # This folds the WAL into the file, which only the last connection may do.
        with closing(_connect(store)) as last:
            last.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if find_error_name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Refused(
                f"Another process has {store} open: stop `dispatch` and other commands first."
            ) from None
        # A damaged store is set aside as it is.
    for suffix in SIDE_FILES:
        with suppress(FileNotFoundError):
            store.with_name(store.name + suffix).rename(aside.with_name(aside.name + suffix))
    try:
        os.link(store, aside)  # so that the store exists at every moment
    except OSError:
        store.rename(aside)
    return aside


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

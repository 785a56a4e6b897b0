"""The commands that look after a store: backup, restore, retain, doctor."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chassis.cli.invocation import Invocation
from chassis.cli.output.tables import json_option, print_json, print_result

if TYPE_CHECKING:
    from chassis.store.encryption.keyring import Keyring
    from chassis.upkeep.backups import Kept
    from chassis.upkeep.checkup import Checkup, Finding

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(help="Copy the SQLite store to a new file, while the service runs.")
@click.argument("file", type=FILE)
@json_option
@click.pass_obj
def backup(run: Invocation, file: Path, as_json: bool) -> None:
    """Back up a store; the exit code is 1 if there is no good copy."""
    from chassis.upkeep.backups import back_up

    with _report(run):
        kept = back_up(find_store(run), file, run.name)
    lines = [f"{file}: schema {kept.revision}, {kept.size} bytes, checked"]
    if kept.key_names:
        names = ", ".join(kept.key_names)
        lines.append(
            f"It is encrypted, and opens with the keys {names} only: keep the file of"
            " ENCRYPTION_KEYS apart from it."
        )
    print_result({"file": file, **_describe_kept(kept)}, as_json, *lines)


@click.command(help="Put a backup in the place of the SQLite store of a service that is stopped.")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Set an existing store aside, under a new name.")
@json_option
@click.pass_obj
def restore(run: Invocation, file: Path, replace: bool, as_json: bool) -> None:
    """Restore a store; the exit code is 1 if it stays as it was."""
    from chassis.store.versions import find_heads, read_revisions
    from chassis.upkeep.backups import restore as put_back

    store, migrations = find_store(run), run.service.migrations
    with _report(run):
        known, now = read_revisions(migrations), datetime.now(UTC)
        kept, aside = put_back(file, store, run.name, known, now, replace=replace)
    lines = [f"{aside}: the store until now"] if aside else []
    lines.append(f"{store}: schema {kept.revision}, {kept.size} bytes, checked")
    if kept.key_names:
        names = ", ".join(kept.key_names)
        lines.append(f"It is encrypted: ENCRYPTION_KEYS has to name a file with the keys {names}.")
    if needs_migration := kept.revision not in find_heads(migrations):
        lines.append(
            f"Its schema is older than this version: run `python -m {run.module} migrate`."
        )
    told = {"file": store, "aside": aside, "needs_migration": needs_migration}
    print_result({**told, **_describe_kept(kept)}, as_json, *lines)


def _describe_kept(kept: "Kept") -> dict[str, object]:
    return {"revision": kept.revision, "bytes": kept.size, "keys": kept.key_names}


@click.command(
    help="Erase now what RETAIN_... let expire, as `serve` and `dispatch` do once an hour where"
    " they are set; without them, nothing."
)
@json_option
@click.pass_obj
def retain(run: Invocation, as_json: bool) -> None:
    """Run the jobs of retention once, and say how many rows they changed."""
    from chassis.store.encryption.registry import register_key

    if run.retain is None and run.retain_audit is None:
        told = f"Nothing expires: neither RETAIN_{run.name.upper()} nor RETAIN_AUDIT is set."
        print_result({}, as_json, told)
        return
    database = run.open_store()
    register_key(database, run.service.keys)
    jobs = run.build_jobs(database)
    counts = {name: job(datetime.now(UTC)) for name, job in jobs.items()}
    print_result(counts, as_json, *(f"{name}: {count}" for name, count in counts.items()))


@click.command(
    help="Look at schema, disk, clock, permissions, secrets, encryption keys,"
    " certificates and events."
    " The exit code is 0 if there is nothing to report, 1 for warnings, 2 for faults."
)
@json_option
@click.pass_obj
def doctor(run: Invocation, as_json: bool) -> None:
    """Report what is wrong, a sentence a line."""
    from chassis.upkeep.checkup import FAULT

    found = list(_examine(run))
    if as_json:
        words = {FAULT: "fault"}
        print_json([{"level": words.get(n, "warning"), "sentence": told} for n, told in found])
        sys.exit(max((level for level, _ in found), default=0))
    for level, sentence in found:
        click.echo(f"{'fault' if level == FAULT else 'warning'}: {sentence}")
    if not found:
        click.echo("Nothing to report.")
    sys.exit(max((level for level, _ in found), default=0))


def find_store(run: Invocation) -> Path:
    """Return the file of a SQLite store, not a symlink to it.

    A refusal on PostgreSQL names its own tools.
    """
    from sqlalchemy import make_url

    from chassis.upkeep.backups import explain_postgres

    if not run.is_sqlite:
        raise click.ClickException(explain_postgres(run.name))
    path = Path(make_url(run.database_url).database or "")
    if not path.name:
        raise click.ClickException("DATABASE_URL: an SQLite DATABASE_URL names a file.")
    # Behind a symlink SQLite keeps the files beside it, and there is what a restore replaces.
    return path.resolve() if path.is_symlink() else path


@contextmanager
def _report(run: Invocation) -> Iterator[None]:
    from chassis.upkeep.backups import Refused

    try:
        yield
    except Refused as refusal:
        raise click.ClickException(str(refusal)) from None


def _examine(run: Invocation) -> "Iterator[Finding]":
    from chassis.upkeep import checkup

    now = datetime.now(UTC)
    yield from checkup.check_certificates(os.environ, now)
    files = []
    if run.is_sqlite:
        try:
            store = find_store(run)
        except click.ClickException as error:
            yield checkup.Finding(checkup.FAULT, error.format_message())
            return
        files = [store.with_name(store.name + suffix) for suffix in ("", "-wal", "-shm")]
        if not store.exists():
            told = f"There is no store at {store}: run `python -m {run.module} migrate`."
            yield checkup.Finding(checkup.FAULT, told)
            return
        if not checkup.is_sqlite_file(store):  # perhaps it is nothing of ours
            files = []
    if run.data_dir.is_dir():
        size = sum(each.stat().st_size for each in files if each.exists())
        yield from checkup.check_disk(run.data_dir, size)
        yield from checkup.check_permissions([run.data_dir, *files])
    if run.encryption_keys is not None:
        yield from checkup.check_key_file(run.encryption_keys, run.data_dir)
    try:
        ring = run.read_keyring()
    except click.ClickException as error:
        yield checkup.Finding(checkup.FAULT, error.format_message())
        return
    service = run.service
    made = checkup.Checkup(
        run.module,
        service.migrations,
        service.accounts,
        service.outbox,
        now,
        service.demo_secrets,
        service.find_demo_logins,
        service.keys,
    )
    yield from _examine_store(run, made, ring)


def _examine_store(run: Invocation, made: "Checkup", ring: "Keyring | None") -> "Iterator[Finding]":
    """Yield what is wrong with the store; that it cannot be read is a finding, too."""
    from sqlalchemy.exc import ArgumentError, DBAPIError

    from chassis.errors import Refusal
    from chassis.store.database import Database
    from chassis.store.errors import find_database_error
    from chassis.upkeep.checkup import FAULT, Finding

    try:
        database = Database(run.database_url, prepare=run.prepare, keyring=ring)
    except (ValueError, OSError, ArgumentError) as error:
        yield Finding(FAULT, f"DATABASE_URL: {error}")
        return
    try:
        yield from made.examine(database)
    except (Refusal, DBAPIError) as error:
        yield Finding(FAULT, f"The store cannot be read: {find_database_error(error) or error}")
    finally:
        database.close()

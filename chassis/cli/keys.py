"""The commands about encryption keys: list, rotate, open a sealed file."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chassis.cli.invocation import Invocation
from chassis.cli.output.progress import show_progress
from chassis.cli.tables import json_option, print_json, print_rows

if TYPE_CHECKING:
    from chassis.store.database import Database
    from chassis.store.encryption.columns import Personal
    from chassis.store.encryption.keyring import Keyring


@click.group(help="Encryption at rest: count the rows of each key, and change the key.")
def keys() -> None:
    """The group `keys`."""


@keys.command("list", help="List the keys, and how many rows and files are under each.")
@json_option
@click.pass_obj
def list_(run: Invocation, as_json: bool) -> None:
    """List keys, and what is plain."""
    from chassis.store.encryption.registry import list_registered
    from chassis.store.encryption.rotation import PLAIN

    database = run.open_store()
    counted, ring = _count(run, database), database.keyring
    names = [*(ring.keys if ring else ()), *list_registered(database, run.service.keys)]
    rows: list[tuple[str | None, int, str]] = []
    for name in dict.fromkeys(names):
        state = "current" if ring and name == ring.current.name else "former"
        rows.append((name, counted[name], state))
    print_rows(("key", "rows", "state"), [*rows, (None, counted[PLAIN], "plain")], as_json)


@keys.command(
    help="Encrypt with the current key what is plain or under another one, beside the servers;"
    " interrupted, it continues when it is run again. Restart the servers with the new ring first."
)
@json_option
@click.pass_obj
def rotate(run: Invocation, as_json: bool) -> None:
    """Seal every row and file anew, and forget the keys that nothing is left under."""
    from chassis.store.encryption.files import rotate_files
    from chassis.store.encryption.registry import forget_key, list_registered, register_key

    database, ring = _open_encrypted(run)
    with run.act(), database.write() as tx:  # one entry; what follows takes longer than a call may
        run.service.audit.record_change(tx)
    register_key(database, run.service.keys)
    counts, failed = {}, 0
    for personal in run.service.personal:
        counts[personal.table.name] = _rotate_table(database, personal, ring, as_json)
    for folder in run.list_sealed_folders():
        sealed, unopened = rotate_files(folder, ring)
        counts[f"{folder.name}/"] = sealed
        failed += unopened
        if not as_json:
            click.echo(f"{folder.name}/\t{sealed}")
        if unopened:
            told = f"{unopened} files of {folder} do not open with this ring, and stay as they are:"
            click.echo(f"{told} another service wrote them, or they are damaged.", err=True)
    database.shrink_log()
    left = _count(run, database)
    for name in list_registered(database, run.service.keys):
        if name != ring.current.name and not left[name]:
            forget_key(database, run.service.keys, name)
    if as_json:
        print_json({"sealed": counts, "unopened_files": failed})


@keys.command("open", help="Print the content of a sealed file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def open_(run: Invocation, file: Path) -> None:
    """Open a file."""
    from chassis.store.encryption.files import open_file
    from chassis.store.encryption.keyring import Unopenable

    _, ring = _open_encrypted(run)
    try:
        content = open_file(file, ring)
    except Unopenable:
        raise click.ClickException(
            f"{file} does not open: it is damaged or renamed, or the ring lacks its key."
        ) from None
    sys.stdout.buffer.write(content)


def _open_encrypted(run: Invocation) -> "tuple[Database, Keyring]":
    database = run.open_store()
    if database.keyring is None:
        raise click.ClickException("Encryption is off: set ENCRYPTION_KEYS.")
    return database, database.keyring


def _rotate_table(
    database: "Database", personal: "Personal", ring: "Keyring", as_json: bool
) -> int:
    """Rotate a table, and return how many rows were sealed.

    On a terminal there is a bar, else each batch prints the rows so far. The last line has all.
    """
    from chassis.store.encryption.rotation import count_rows, rotate_table

    name = personal.table.name
    if sys.stderr.isatty():
        counted = count_rows(database, [personal])
        with show_progress(name, counted.total() - counted[ring.current.name]) as report:
            total = rotate_table(database, personal, ring, lambda n: report(n, ""))
    else:
        total = rotate_table(
            database, personal, ring, lambda n: click.echo(f"{name}\t{n} ...", err=as_json)
        )
    if not as_json:
        click.echo(f"{name}\t{total}")
    return total


def _count(run: Invocation, database: "Database") -> Counter[str]:
    """Return how many rows and files are under each key."""
    from chassis.store.encryption.files import scan_files
    from chassis.store.encryption.rotation import count_rows

    counted = count_rows(database, run.service.personal)
    for folder in run.list_sealed_folders():
        counted.update(name for _, name in scan_files(folder))
    return counted

"""The commands about encryption keys: list, rotate, open a sealed file."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chassis.cli.invocation import Invocation

if TYPE_CHECKING:
    from chassis.store.database import Database
    from chassis.store.encryption.columns import Personal
    from chassis.store.encryption.keyring import Keyring


@click.group(help="Encryption at rest: count the rows of each key, and change the key.")
def keys() -> None:
    """The group `keys`."""


@keys.command("list", help="List the keys, and how many rows and files are under each.")
@click.pass_obj
def list_(run: Invocation) -> None:
    """List keys, and what is plain."""
    from chassis.store.encryption.registry import list_registered
    from chassis.store.encryption.rotation import PLAIN

    database = run.open_store()
    counted, ring = _count(run, database), database.keyring
    names = [*(ring.keys if ring else ()), *list_registered(database, run.service.keys)]
    for name in dict.fromkeys(names):
        state = "current" if ring and name == ring.current.name else "former"
        click.echo(f"{name}\t{counted[name]}\t{state}")
    click.echo(f"-\t{counted[PLAIN]}\tplain")


@keys.command(
    help="Encrypt with the current key what is plain or under another one, beside the servers;"
    " interrupted, it continues when it is run again. Restart the servers with the new ring first."
)
@click.pass_obj
def rotate(run: Invocation) -> None:
    """Seal every row and file anew, and forget the keys that nothing is left under."""
    from chassis.store.encryption.files import rotate_files
    from chassis.store.encryption.registry import forget_key, list_registered, register_key

    database, ring = _open_encrypted(run)
    with run.act(), database.write() as tx:  # one entry; what follows takes longer than a call may
        run.service.audit.record_change(tx)
    register_key(database, run.service.keys)
    for personal in run.service.personal:
        _rotate_table(database, personal, ring)
    for folder in run.list_sealed_folders():
        sealed, unopened = rotate_files(folder, ring)
        click.echo(f"{folder.name}/\t{sealed}")
        if unopened:
            told = f"{unopened} files of {folder} do not open with this ring, and stay as they are:"
            click.echo(f"{told} another service wrote them, or they are damaged.", err=True)
    database.shrink_log()
    left = _count(run, database)
    for name in list_registered(database, run.service.keys):
        if name != ring.current.name and not left[name]:
            forget_key(database, run.service.keys, name)


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


def _rotate_table(database: "Database", personal: "Personal", ring: "Keyring") -> None:
    """Rotate a table; each batch prints the rows so far, the last line is the total."""
    from chassis.store.encryption.rotation import rotate_table

    name = personal.table.name
    total = rotate_table(database, personal, ring, lambda n: click.echo(f"{name}\t{n} ..."))
    click.echo(f"{name}\t{total}")


def _count(run: Invocation, database: "Database") -> Counter[str]:
    """Return how many rows and files are under each key."""
    from chassis.store.encryption.files import scan_files
    from chassis.store.encryption.rotation import count_rows

    counted = count_rows(database, run.service.personal)
    for folder in run.list_sealed_folders():
        counted.update(name for _, name in scan_files(folder))
    return counted

"""Opening a service's store from the command line, and sentences about one that is unfit."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from chassis.errors import Refusal
    from chassis.store.database import Database
    from chassis.store.encryption.keyring import Keyring

CHECK = "check DATA_DIR and DATABASE_URL"
NO_URL = "it cannot be read as a URL"
# By SQLite's names of errors.
SENTENCES = {
    "SQLITE_NOTADB": f"{{}} is not an SQLite database: {CHECK}.",
    "SQLITE_CORRUPT": "{} is damaged: restore a backup of it.",
    "SQLITE_CANTOPEN": "{} cannot be opened: look at the permissions of the file and its folder.",
    "SQLITE_READONLY": "{} cannot be written: look at the permissions of the file and its folder.",
    "SQLITE_FULL": "The disk of {} is full.",
}


@contextmanager
def open_database(
    url: str, *, prepare: bool, keyring: "Keyring | None" = None
) -> "Iterator[Database]":
    """Open a store; raises ClickException. A refusal in the block is printed: exit code 1."""
    from sqlalchemy.exc import ArgumentError

    from chassis.errors import Refusal
    from chassis.store.database import SUPPORTED_URLS, Database
    from chassis.store.encryption.keyring import Unopenable

    try:
        database = Database(url, prepare=prepare, keyring=keyring)
    except ArgumentError:
        raise click.ClickException(f"DATABASE_URL: {NO_URL}; use {SUPPORTED_URLS}.") from None
    except (ValueError, OSError) as error:
        raise click.ClickException(f"DATABASE_URL: {error}") from None
    try:
        yield database
    except Refusal as refusal:
        click.echo(f"Error: {_explain(refusal, database)}", err=True)
        sys.exit(1)
    except Unopenable as error:
        raise click.ClickException(
            f"An encrypted value does not open ({error}): it was changed, or comes from another"
            " place, or ENCRYPTION_KEYS lacks its key."
        ) from None
    finally:
        database.close()


def find_missing_file(url: str) -> Path | None:
    """Return the file of an SQLite store that does not exist; None for any other URL."""
    from sqlalchemy import make_url

    if not url.startswith("sqlite:"):
        return None
    name = make_url(url).database
    if not name or name == ":memory:":
        return None
    return None if Path(name).exists() else Path(name)


def describe_unfit(database: "Database", name: str, module: str, migrations: Path) -> str | None:
    """Return why a store is not one of this service and this version; None if it is."""
    from chassis.store import versions

    state = versions.read_state(database, name, migrations)
    if state == versions.NEWER:
        told = versions.describe_newer(database, module, migrations)
        return f"{told}, or restore a backup of before."
    return {
        versions.CURRENT: None,
        versions.AHEAD: None,
        versions.OLDER: f"The database is not at this version: run `python -m {module} migrate`.",
        versions.FOREIGN: f"{_name_store(database)} is no store of {name}: {CHECK}.",
    }[state]


def _explain(refusal: "Refusal", database: "Database") -> str:
    from chassis.store.errors import find_database_error

    error = find_database_error(refusal)
    found = [text for start, text in SENTENCES.items() if error.startswith(start)]
    return found[0].format(database.url.database) if found else refusal.message


def _name_store(database: "Database") -> str:
    """Return the name of a store's file or database."""
    return database.url.database or "The database"

"""SQLite in one file: its engine, a lock for the process that serves it, and its errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from chassis.locks import create_file, hold_file

BUSY_SECONDS = 5  # for a writer of another process
SERVE_WAIT_SECONDS = 15.0  # for a predecessor that drains
LOG_PAGES = 8000  # of 4 KiB; the commit that finds so many moves them: see docs/decisions/0003
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"wal_autocheckpoint={LOG_PAGES}",
)
# What a file system or a damaged file does to SQLite; no request is at fault.
TROUBLE = ("FULL", "IOERR", "CANTOPEN", "READONLY", "CORRUPT", "NOTADB", "NOMEM")


def create_sqlite_engine(url: URL, **options: Any) -> Engine:
    """Return an engine in autocommit on a file that only its owner can read."""
    path = Path(url.database or "")
    if not path.name or path.name == ":memory:":
        raise ValueError("an SQLite DATABASE_URL names a file: sqlite:///data/orders.db")
    create_file(path.resolve())  # behind a symlink SQLite would let others read it
    engine = create_engine(
        url,
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,
            "timeout": BUSY_SECONDS,
        },
        **options,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def check_readable(path: Path) -> None:
    """Read the schema over a connection of its own; raises sqlite3.Error.

    A connection that has been used before would answer from its cache.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    with closing(connection):
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


@contextmanager
def overwriting(tx: Connection) -> Iterator[None]:
    """Have a connection overwrite what it removes."""
    tx.exec_driver_sql("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        tx.exec_driver_sql("PRAGMA secure_delete = OFF")


def find_error_name(error: BaseException | None) -> str:
    """Return SQLite's name of an error, such as SQLITE_FULL; "" for any other error."""
    return getattr(error, "sqlite_errorname", None) or ""


def is_trouble(error: BaseException | None) -> bool:
    """Whether an error is of the disk or the file and not of the statement."""
    return find_error_name(error).removeprefix("SQLITE_").split("_")[0] in TROUBLE


@contextmanager
def hold_for_serving(path: Path, seconds: float | None = None) -> Iterator[None]:
    """Be the only process that serves a file; raises BlockingIOError when another one goes on.

    It waits `seconds`, by default SERVE_WAIT_SECONDS, for a predecessor that drains.
    It is a lock on a file beside the store, which the kernel drops with the process. Symlinks are
    followed, as SQLite does: a store has one lock, whatever it is called.
    """
    patience = SERVE_WAIT_SECONDS if seconds is None else seconds
    path = path.resolve()
    with hold_file(path.with_name(path.name + ".serving"), patience):
        yield

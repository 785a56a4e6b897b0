"""SQLite in one file: its engine, a lock for the process that serves it, and its errors."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

BUSY_SECONDS = 5  # for a writer of another process
SERVE_WAIT_SECONDS = 15.0  # for a predecessor that drains
POLL_SECONDS = 0.1
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
# What a file system or a damaged file does to SQLite; no request is at fault.
TROUBLE = ("FULL", "IOERR", "CANTOPEN", "READONLY", "CORRUPT", "NOTADB", "NOMEM")


def create_sqlite_engine(url: URL, **options: Any) -> Engine:
    """Return an engine in autocommit on a file that only its owner can read."""
    path = Path(url.database or "")
    if not path.name or path.name == ":memory:":
        raise ValueError("an SQLite DATABASE_URL names a file: sqlite:///data/orders.db")
    create_file(path)
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


def create_file(path: Path) -> None:
    """Create the file unless it exists, and its folder.

    A file that exists is never opened here: closing any descriptor of it would drop the locks that
    this process's connections hold on it, and another process could then delete its WAL.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def check_readable(path: Path) -> None:
    """Read the schema over a connection of its own; raises sqlite3.Error.

    A connection that has been used before would answer from its cache.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    with closing(connection):
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


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
    It is a lock on a file beside the store, which the kernel drops with the process.
    """
    create_file(lock_path := path.with_name(path.name + ".serving"))
    descriptor = os.open(lock_path, os.O_RDWR)
    try:
        deadline = monotonic() + (SERVE_WAIT_SECONDS if seconds is None else seconds)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() >= deadline:
                    raise
                sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)

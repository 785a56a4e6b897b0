"""Sessions of a peer on SQLite or PostgreSQL, as SQLAlchemy's documentation sets them up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import orjson
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker


class Database:
    """Sessions on a pool, or on PostgreSQL on two: open it in the worker, after the fork."""

    def __init__(self, url: str, pool_size: int) -> None:
        self._is_sqlite = make_url(url).get_backend_name() == "sqlite"
        options: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "json_serializer": lambda value: orjson.dumps(value).decode(),
            "json_deserializer": orjson.loads,
        }
        if self._is_sqlite:
            options["connect_args"] = {
                "isolation_level": None,
                "check_same_thread": False,
                "timeout": 30,
            }
        writing = reading = create_engine(url, **options)
        if self._is_sqlite:
            event.listen(writing, "connect", _prepare)
        else:
            reading = create_engine(url, isolation_level="AUTOCOMMIT", **options)
        self.read = sessionmaker(reading)
        """Each statement by itself: no BEGIN and no ROLLBACK around it."""
        self._writer = sessionmaker(writing, expire_on_commit=False)
        self._engines = (reading, writing)
        self._turn = threading.Lock() if self._is_sqlite else nullcontext()

    def close(self) -> None:
        """Close all connections."""
        for engine in self._engines:
            engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction; on SQLite a writer from its start, one at a time in this process."""
        with self._turn, self._writer.begin() as session:
            if self._is_sqlite:
                # Issued here: a listener for "begin" adds 60 us or more to every read.
                session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            yield session


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

"""Sessions of a peer on SQLite or PostgreSQL, as SQLAlchemy's documentation sets them up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import orjson
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker


class Database:
    """Sessions on one pool: open it in the worker, after the fork."""

    def __init__(self, url: str, pool_size: int) -> None:
        sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 30}
            if sqlite
            else {},
        )
        reading = self.engine
        if sqlite:
            event.listen(self.engine, "connect", _prepare)
        else:
            reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.read = sessionmaker(reading)
        """Each statement by itself: no BEGIN and no ROLLBACK around it."""
        self._writer = sessionmaker(self.engine, expire_on_commit=False)
        self._turn = threading.Lock() if sqlite else nullcontext()
        self._is_sqlite = sqlite

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction; on SQLite a writer from its start, one at a time in this process."""
        with self._turn, self._writer.begin() as session:
            if self._is_sqlite:
                # Said here: a listener for "begin" makes every read dearer by 60 us or more.
                session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            yield session


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

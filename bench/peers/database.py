"""Sessions of a peer on SQLite or PostgreSQL, as SQLAlchemy's documentation sets them up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import orjson
from sqlalchemy import Connection, create_engine, event, make_url
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
        if sqlite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)
        options: Any = {"reads": True} if sqlite else {"isolation_level": "AUTOCOMMIT"}
        self.read = sessionmaker(self.engine.execution_options(**options))
        """Each statement by itself: no BEGIN and no ROLLBACK around it."""
        self._writer = sessionmaker(self.engine, expire_on_commit=False)
        self._turn = threading.Lock() if sqlite else nullcontext()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction; on SQLite a writer from its start, one at a time in this process."""
        with self._turn, self._writer.begin() as session:
            yield session


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get("reads"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")

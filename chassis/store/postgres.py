"""PostgreSQL connections on which nothing waits without a bound.

libpq bounds the connect and a dead peer, not a server that is frozen while its kernel goes on
acknowledging. So each wait for an answer ends with the deadline of the call at hand; the connection
is then closed, since nobody knows what its server still does.

Sessions are started without `options`, which PgBouncer 1.18 refuses. Their time zone and default
timeouts are settings of the role (`settle_role`, called by `migrate`).
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import ceil
from time import monotonic
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg
from psycopg import errors, sql
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event

from chassis.context import get_current_call
from chassis.store.limits import LOCK_WAIT_SECONDS

Result = TypeVar("Result")
STATEMENT_SECONDS = 20
CONNECT_SECONDS = 5.0  # a host that never answers would hold a thread for minutes
LEAST_CONNECT_SECONDS = 2.0  # libpq's; psycopg waits no shorter
POOL_WAIT_SECONDS = 5
ROLLBACK_SECONDS = 1.0  # for the rollback of a call whose deadline has passed
CHECK_SECONDS = 3.0  # for the answer that shows whether the server can be used
DRAIN_WAIT_SECONDS = 3.0  # for an answer, once the process drains
MIGRATION_SECONDS = 24 * 3600.0
TCP_OPTIONS = {
    "connect_timeout": int(CONNECT_SECONDS),
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}
ROLE_SETTINGS = {
    "timezone": "UTC",
    "lock_timeout": f"{LOCK_WAIT_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
}


class Drain:
    """Ends long waits once a process drains: its loops wait for the database without a caller.

    Each loop that ends may need the database once more, one after the other. So the first connect
    that runs out of time is the last: the others fail at once.
    """

    def __init__(self) -> None:
        self.begun: float | None = None
        self.is_unreachable = False
        self.connections: WeakSet[BoundedConnection] = WeakSet()

    def begin(self) -> None:
        """From now on no wait takes longer than `DRAIN_WAIT_SECONDS`, those under way included."""
        self.begun = monotonic()
        timer = threading.Timer(DRAIN_WAIT_SECONDS, self._cut)
        timer.daemon = True
        timer.start()

    def bound(self, seconds: float) -> float:
        """Return how long a wait may take."""
        return seconds if self.begun is None else min(seconds, DRAIN_WAIT_SECONDS)

    @contextmanager
    def connecting(self) -> Iterator[float]:
        """Return the seconds that a connect may take; raises OperationalError instead of it.

        It takes no longer than the caller waits.
        """
        if self.is_unreachable:
            raise psycopg.OperationalError("the server cannot be reached")
        left = max(get_current_call().get_seconds_left(), LEAST_CONNECT_SECONDS)
        try:
            yield self.bound(min(CONNECT_SECONDS, left))
        except errors.ConnectionTimeout:
            self.is_unreachable = self.begun is not None
            raise

    def _cut(self) -> None:
        """End the waits that began before the drain; each finds its connection closed."""
        for connection in list(self.connections):
            since = connection.waiting_since
            if since is not None and self.begun is not None and since <= self.begun:
                with suppress(OSError, psycopg.Error):
                    _shut_down(connection.fileno())


def _shut_down(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        copy.shutdown(socket.SHUT_RDWR)


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose waits end with the deadline of the call that this thread serves."""

    patience: float | None = None  # seconds for each wait, in place of the call's deadline
    is_settled = False  # whether the session has the settings of `settle_role`
    waiting_since: float | None = None
    drain: Drain | None = None

    def wait(
        self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        """Run a generator of libpq to its end; closes the connection when time is up."""
        self.waiting_since = monotonic()
        bound = self.patience or max(get_current_call().get_seconds_left(), ROLLBACK_SECONDS)
        if self.drain is not None:
            bound = self.drain.bound(bound)
        try:
            return super().wait(gen, interval, bound if timeout is None else min(timeout, bound))
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server did not answer in time") from None
        finally:
            self.waiting_since = None

    def commit(self) -> None:
        """Commit the transaction, if one is open: SQLAlchemy asks for it after each statement."""
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            super().commit()

    def rollback(self) -> None:
        """Roll the transaction back, if one is open: the pool asks for it after each use."""
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            super().rollback()

    def begin(self, seconds: float) -> None:
        """Begin a transaction whose statements end within `seconds`, in one round trip."""
        statement_ms = max(1, ceil(min(seconds, STATEMENT_SECONDS) * 1000))
        lock_ms = min(statement_ms, int(LOCK_WAIT_SECONDS * 1000))
        limits = f"lock_timeout = {lock_ms}; SET LOCAL statement_timeout = {statement_ms}"
        self.execute(f"BEGIN; SET LOCAL {limits}".encode(), prepare=False)


def create_postgres_engine(url: URL, drain: Drain, *, prepare: bool, **options: Any) -> Engine:
    """Return an engine in autocommit; with `prepare` off it runs behind PgBouncer's pools."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_timeout=POOL_WAIT_SECONDS,
        connect_args={"autocommit": True, **TCP_OPTIONS},
        **options,
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: Any, kwargs: Any) -> BoundedConnection:
        with drain.connecting() as seconds:
            connection = BoundedConnection.connect(*args, **kwargs | {"connect_timeout": seconds})
        connection.drain = drain
        drain.connections.add(connection)
        if not prepare:
            connection.prepare_threshold = None
        connection.is_settled = not find_missing_settings(connection)
        return connection

    return engine


@contextmanager
def patient(tx: Connection, seconds: float) -> Iterator[BoundedConnection]:
    """Bound each wait for an answer by `seconds`, in place of the call's deadline."""
    connection = get_driver(tx)
    connection.patience = seconds
    try:
        yield connection
    finally:
        connection.patience = None


@contextmanager
def unhurried(tx: Connection) -> Iterator[None]:
    """Lift the time limits of a transaction's statements and lock waits, for a migration."""
    with patient(tx, MIGRATION_SECONDS) as connection:
        connection.execute(
            "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0", prepare=False
        )
        yield


def check_answering(tx: Connection) -> None:
    """Ask the server for an answer, and wait for it no longer than `CHECK_SECONDS`."""
    with patient(tx, CHECK_SECONDS):
        tx.exec_driver_sql("SELECT 1")


def settle_role(tx: Connection) -> None:
    """Set time zone and default timeouts of the role that migrates, in this database."""
    connection = get_driver(tx)
    row = connection.execute("SELECT current_user, current_database()").fetchone()
    assert row is not None
    role, database = map(sql.Identifier, row)
    for name, value in ROLE_SETTINGS.items():
        statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
        connection.execute(
            statement.format(role, database, sql.Identifier(name), value), prepare=False
        )


def find_missing_settings(connection: BoundedConnection) -> list[str]:
    """Return the settings that a session lacks: its role is not the one that migrated."""
    columns = sql.SQL(", ").join(
        sql.SQL("current_setting({})").format(name) for name in ROLE_SETTINGS
    )
    row = connection.execute(sql.SQL("SELECT {}").format(columns), prepare=False).fetchone()
    assert row is not None
    pairs = zip(ROLE_SETTINGS.items(), row, strict=True)
    return [name for (name, wanted), found in pairs if found != wanted]


def get_driver(tx: Connection) -> BoundedConnection:
    """Return psycopg's connection below a transaction of SQLAlchemy's."""
    connection: BoundedConnection = tx.connection.driver_connection  # type: ignore[assignment]
    return connection


@event.listens_for(Table, "before_create")
def add_conditions(table: Table, *_: object, **_options: object) -> None:
    """Let the `partial_index`es of a table have the condition that they have on SQLite."""
    for index in table.indexes:
        options = index.dialect_options
        options["postgresql"]["where"] = options["sqlite"]["where"]

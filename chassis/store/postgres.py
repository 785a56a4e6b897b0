"""PostgreSQL connections on which nothing waits without a bound.

libpq bounds the connect and a dead peer, not a server that is frozen while its kernel goes on
acknowledging. So each wait for an answer ends with the deadline of the call at hand; the connection
is then closed, since nobody knows what its server still does.

Sessions are started without `options`, which PgBouncer 1.18 refuses. Their time zone and default
timeouts are settings of the role (`settle_role`, called by `migrate`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.abc import PQGen
from sqlalchemy import URL, Connection, Engine, create_engine, event

from chassis.context import current_call
from chassis.store.limits import LOCK_WAIT_SECONDS

Result = TypeVar("Result")
STATEMENT_SECONDS = 20
CONNECT_SECONDS = 5  # a host that never answers would hold a thread for minutes
POOL_WAIT_SECONDS = 5
ROLLBACK_SECONDS = 1.0  # for the rollback of a call whose deadline has passed
MIGRATION_SECONDS = 24 * 3600.0
TCP_OPTIONS = {
    "connect_timeout": CONNECT_SECONDS,
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


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose waits end with the deadline of the call that this thread serves."""

    patience: float | None = None  # seconds for each wait, in place of the call's deadline
    is_settled = False  # whether the session has the settings of `settle_role`

    def wait(
        self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        """Run a generator of libpq to its end; closes the connection when time is up."""
        bound = self.patience or max(current_call().seconds_left(), ROLLBACK_SECONDS)
        try:
            return super().wait(gen, interval, bound if timeout is None else min(timeout, bound))
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server did not answer in time") from None

    def begin(self, seconds: float) -> None:
        """Begin a transaction whose statements end within `seconds`, in one round trip."""
        statement_ms = max(1, int(min(seconds, STATEMENT_SECONDS) * 1000))
        lock_ms = min(statement_ms, int(LOCK_WAIT_SECONDS * 1000))
        self.execute(
            sql.SQL("BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}").format(
                lock_ms, statement_ms
            ),
            prepare=False,
        )


def create_postgres_engine(url: URL, *, prepare: bool, **options: Any) -> Engine:
    """Return an engine in autocommit; with `prepare` off it runs behind PgBouncer's pools."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_timeout=POOL_WAIT_SECONDS,
        connect_args={"autocommit": True, **TCP_OPTIONS},
        **options,
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: Any, kwargs: Any) -> BoundedConnection:
        connection = BoundedConnection.connect(*args, **kwargs)
        if not prepare:
            connection.prepare_threshold = None
        connection.is_settled = not missing_settings(connection)
        return connection

    return engine


@contextmanager
def unhurried(tx: Connection) -> Iterator[None]:
    """Let statements and lock waits of a transaction take as long as a migration takes."""
    connection = driver(tx)
    connection.patience = MIGRATION_SECONDS
    try:
        connection.execute(
            "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0", prepare=False
        )
        yield
    finally:
        connection.patience = None


def settle_role(tx: Connection) -> None:
    """Set time zone and default timeouts of the role that migrates, in this database."""
    connection = driver(tx)
    row = connection.execute("SELECT current_user, current_database()").fetchone()
    assert row is not None
    role, database = map(sql.Identifier, row)
    for name, value in ROLE_SETTINGS.items():
        statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
        connection.execute(
            statement.format(role, database, sql.Identifier(name), value), prepare=False
        )


def missing_settings(connection: BoundedConnection) -> list[str]:
    """Return the settings that a session lacks: its role is not the one that migrated."""
    columns = sql.SQL(", ").join(
        sql.SQL("current_setting({})").format(name) for name in ROLE_SETTINGS
    )
    row = connection.execute(sql.SQL("SELECT {}").format(columns), prepare=False).fetchone()
    assert row is not None
    pairs = zip(ROLE_SETTINGS.items(), row, strict=True)
    return [name for (name, wanted), found in pairs if found != wanted]


def driver(tx: Connection) -> BoundedConnection:
    """Return psycopg's connection below a transaction of SQLAlchemy's."""
    connection: BoundedConnection = tx.connection.driver_connection  # type: ignore[assignment]
    return connection

"""A service's own store: SQLite in one file, or PostgreSQL.

Writes to SQLite take turns (`chassis.store.group_commit`) and begin with BEGIN IMMEDIATE: a
deferred transaction that reads and then writes fails at once if another has written
meanwhile. The drivers run in autocommit and this module issues BEGIN: SQLAlchemy's event
for it would cost each connection 35 us.
On PostgreSQL a statement that waits for a row longer than `LOCK_WAIT_SECONDS` raises Busy.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Table,
    TypeDecorator,
    make_url,
    text,
)
from sqlalchemy.dialects.sqlite import Insert, dml, insert

from chassis.context import get_current_call
from chassis.spans.recording import get_recorder, record
from chassis.store.errors import translate_errors
from chassis.store.group_commit import GroupCommit, get_driver_connection
from chassis.store.limits import LOCK_WAIT_SECONDS
from chassis.store.sqlite import (
    check_readable,
    create_sqlite_engine,
    overwriting,
)

if TYPE_CHECKING:
    from chassis.store.encryption.keyring import Keyring
    from chassis.store.postgres import Drain

SUPPORTED_URLS = "sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
MAX_CONNECTIONS = 16  # more than the threads of a server
MAX_AT_HAND = 4  # of them that wait for a single statement
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def ignore(_tx: Connection) -> None:
    """Do nothing before a commit."""


_commit = threading.local()


def wake_on_commit() -> None:
    """Have the commit of this thread's transaction set `Database.wakeup`."""
    _commit.wakes = True


def _encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# Without it the rowcount of an insert is -1 on PostgreSQL: psycopg drops it with the cursor.
COUNTED: dict[str, Any] = {"preserve_rowcount": True}
SHARED = "shared"  # in the info of a foreign key
JSON_OPTIONS: dict[str, Any] = {
    "json_serializer": _encode_json,
    "json_deserializer": msgspec.json.decode,
}


def shared_key(target: str) -> ForeignKey:
    """A foreign key to a row that many rows name at the same moment, such as an account.

    On PostgreSQL a trigger on the named row stands for it: see docs/decisions/0013.
    """
    return ForeignKey(target, info={SHARED: True})


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that meet a condition, on both engines.

    `postgresql_where` would load SQLAlchemy's PostgreSQL, of 2.5 MB, into every process on SQLite:
    `chassis.store.postgres` adds it where a table is created or compared.
    """
    return Index(name, *columns, unique=unique, sqlite_where=text(where))


class Instant(TypeDecorator[datetime]):
    """A point in time in UTC: timezone-aware and correctly ordered on both engines."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One store, and the transactions on it."""

    def __init__(self, url: str, *, prepare: bool = True, keyring: "Keyring | None" = None) -> None:
        """Open the store at `url`; without `prepare` no statement is prepared on PostgreSQL.

        With a `keyring` personal columns are encrypted: see `chassis.store.encryption`.
        """
        self.keyring = keyring
        self.url = make_url(url)
        if self.url.drivername not in DRIVERS:
            raise ValueError(f"{self.url.drivername} is not supported; use {SUPPORTED_URLS}.")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._drain: Drain | None = None
        options = {"pool_size": MAX_CONNECTIONS, "max_overflow": 0, **JSON_OPTIONS}
        if keyring is not None:
            options["execution_options"] = {"keyring": keyring}
        if self.is_sqlite:
            self.engine = create_sqlite_engine(self.url, **options)
        else:
            # psycopg takes 10 MB, and only a process on PostgreSQL needs it.
            from chassis.store import postgres

            self._drain = drain = postgres.Drain()
            self.engine = postgres.create_postgres_engine(
                self.url, drain, prepare=prepare, **options
            )
        if get_recorder() is not None:
            from chassis.store.spans import watch_statements

            watch_statements(self.engine)
        self._commits = GroupCommit(self.connect)
        self.at_hand: list[Connection] = []  # that wait for a single statement
        self._seekers: list[None] = []  # one for each thread that takes a connection from the pool
        # Runs at the end of each transaction that is not a `single` statement, as a part of it.
        self.before_commit: Callable[[Connection], None] = ignore
        self.wakeup = threading.Event()

    def read(self, *, single: bool = False) -> AbstractContextManager[Connection]:
        """A connection for reading: one snapshot on SQLite, one per statement on PostgreSQL.

        READ COMMITTED promises no more, and BEGIN and ROLLBACK would be two round trips. A `single`
        statement needs no transaction for its snapshot.
        """
        return _Single(self) if single else self._read()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with translate_errors(), self.connect() as tx:
            if self.is_sqlite:
                get_driver_connection(tx).execute("BEGIN")
            yield tx

    @contextmanager
    def stream(self) -> Iterator[Connection]:
        """A connection for large reads: one snapshot on both engines; rows may be streamed."""
        with translate_errors(), self.connect() as tx:
            if self.is_sqlite:
                get_driver_connection(tx).execute("BEGIN")
            else:
                tx.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield tx

    @contextmanager
    def write(self, *, single: bool = False, shred: bool = False) -> Iterator[Connection]:
        """A transaction that is durable once the block has ended without an error.

        Nothing is committed for a caller who has given up (TooLate). Raises Conflict where the
        same again may succeed (`chassis.store.conflicts`). A block with one `single`
        statement, and nothing after it that may fail, relies on that statement's own
        transaction: it saves PostgreSQL two round trips, and SQLite a savepoint. Its caller's
        deadline is checked before the statement.
        With `shred` SQLite overwrites what the block removes, instead of only unlinking it.
        """
        call = get_current_call()
        _commit.wakes = False
        with translate_errors(), record("transaction"):
            if self.is_sqlite:
                wait = min(LOCK_WAIT_SECONDS, call.get_seconds_left())
                with self._commits.member(wait, call.ensure_awaited, single=single) as tx:
                    with overwriting(tx) if shred else nullcontext():
                        yield tx
                    if not single:
                        self.before_commit(tx)
            else:
                with _Single(self) if single else self.connect() as tx:
                    connection = get_driver_connection(tx)
                    # A lone statement could succeed after the deadline, having waited for a lock:
                    # the session's lock timeout bounds that wait.
                    alone = single and connection.is_settled
                    if not alone or call.get_seconds_left() <= LOCK_WAIT_SECONDS:
                        with tx.begin():
                            connection.begin(call.get_seconds_left())
                            yield tx
                            if not single:
                                self.before_commit(tx)
                            call.ensure_awaited()
                    else:
                        call.ensure_awaited()
                        yield tx
        call.commits += 1
        if _commit.wakes:
            self.wakeup.set()

    def shrink_log(self) -> None:
        """Move what SQLite's log holds into the file, and empty it, unless a reader needs it."""
        if self.is_sqlite:
            with self.connect() as tx:
                tx.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def check(self) -> None:
        """Ask the store whether it can be read and, on SQLite, written; raises a Refusal."""
        with translate_errors():
            if self.is_sqlite:
                check_readable(Path(self.url.database or ""))
                self._check_writable()
            else:
                from chassis.store.postgres import check_answering

                with self.connect() as tx:
                    check_answering(tx)

    def drain(self) -> None:
        """Wait for no answer of PostgreSQL longer than some seconds; the process is to end."""
        if self._drain is not None:
            self._drain.begin()

    @property
    def waiting_writers(self) -> int:
        """How many writers wait for their turn on SQLite."""
        return self._commits.turn.waiters

    def observe_writes(
        self, observe_wait: Callable[[float], None], observe_commit: Callable[[int], None]
    ) -> None:
        """Have them called, on SQLite, with each writer's wait and each commit's writers."""
        self._commits.observe_wait = observe_wait
        self._commits.observe_commit = observe_commit

    def _check_writable(self) -> None:
        try:
            with self._commits.member(LOCK_WAIT_SECONDS, lambda: None) as tx:
                version = tx.exec_driver_sql("PRAGMA user_version").scalar()
                tx.exec_driver_sql(f"PRAGMA user_version = {version}")
        except TimeoutError:
            return  # others write all the time

    def close(self) -> None:
        """Close all connections."""
        self._commits.close()
        self.give_back()
        self.engine.dispose()

    def connect(self) -> Connection:
        """Take a connection from the pool, in which none is missing that is only at hand."""
        self._seekers.append(None)
        try:
            if self._is_crowded():
                self.give_back()
            return self.engine.connect()
        finally:
            self._seekers.pop()

    def keep_at_hand(self, tx: Connection) -> bool:
        """Have a connection at hand for the next single statement, if it has not enough."""
        if len(self.at_hand) >= MAX_AT_HAND:
            return False
        self.at_hand.append(tx)
        if self._seekers and self._is_crowded():
            self.give_back()
        return True

    def give_back(self) -> None:
        """Return the connections at hand to the pool."""
        while self.at_hand:
            with suppress(IndexError):  # of two threads at once
                self.at_hand.pop().close()

    def _is_crowded(self) -> bool:
        """Whether the pool has too few for all who take one."""
        pool: Any = self.engine.pool  # a QueuePool on both engines
        return bool(pool.checkedout() + len(self._seekers) > MAX_CONNECTIONS)


class _Single:
    """A connection for one statement, which stays at hand: the pool would take a fifth of its time.

    It goes back there after an error, with rows that may be unread, and where somebody waits for
    one.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def __enter__(self) -> Connection:
        try:
            self.tx = self.database.at_hand.pop()
        except IndexError:
            with translate_errors():
                self.tx = self.database.connect()
        return self.tx

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        database = self.database
        if error is None and not self.tx.in_transaction() and database.keep_at_hand(self.tx):
            return
        with translate_errors(), self.tx:
            if getattr(error, "connection_invalidated", False):
                database.give_back()  # the pool renews what it had before
            if error is not None:
                raise error


# SQLAlchemy's PostgreSQL takes 2.5 MB, which a process on SQLite does without. Its compiler takes
# SQLite's ON CONFLICT, once that has the attribute in which PostgreSQL's own may name a constraint.
class _DoUpdate(dml.OnConflictDoUpdate):
    inherit_cache = True
    constraint_target = None


class _DoNothing(dml.OnConflictDoNothing):
    inherit_cache = True
    constraint_target = None


def upsert(
    table: Table,
    update: Sequence[str] | Callable[[Any], Mapping[str, Any]],
    *,
    key: Sequence[str] | None = None,
    where: Callable[[Any], ColumnElement[bool]] | None = None,
) -> Insert:
    """An INSERT that updates the row with the same key: one statement for both engines.

    `update` names the columns that take the new row's values, or returns the new values by
    column; it and `where` receive the new row's columns (`excluded`). `key` is by default the
    primary key. Its rowcount is 0 when `where` does not hold.
    """
    statement = insert(table)
    new = statement.excluded
    values = update(new) if callable(update) else {name: new[name] for name in update}
    clause = _DoUpdate(
        index_elements=key or [column.name for column in table.primary_key],
        set_=values,
        where=where and where(new),
    )
    return statement.ext(clause).execution_options(**COUNTED)


def insert_if_absent(table: Table, key: Sequence[str] | None = None) -> Insert:
    """An INSERT that does nothing when a row has the same `key`, or without one any same key."""
    return insert(table).ext(_DoNothing(index_elements=key)).execution_options(**COUNTED)


def add_if_absent(tx: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert a row unless its key exists already; returns whether it was inserted."""
    return tx.execute(insert_if_absent(table), row).rowcount == 1

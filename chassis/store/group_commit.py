"""Writers of one SQLite file: in the order of asking, several to a commit.

SQLite has one writer at a time, and a durable commit waits for the disk. Who
finds others waiting leaves the transaction open for the next one, as a
savepoint that is done, and waits for the commit of whoever is last. So the
disk is waited for once by many, nobody is answered before the commit that
holds his effect, and a writer that fails takes back his own part only.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine

from chassis.errors import Overloaded

MAX_WRITERS = 32  # writers in one commit


class FairLock:
    """A lock that is handed over in the order of asking."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()  # each held until its turn comes

    def acquire(self, timeout: float) -> bool:
        """Take the lock, waiting at most `timeout` seconds."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = _held()
            self._waiting.append(turn)
        if turn.acquire(timeout=max(timeout, 0)):
            return True
        with self._guard:
            if not turn.locked():
                return True
            self._waiting.remove(turn)
            return False

    def pass_on(self) -> bool:
        """Hand the lock to whoever has waited longest; False when nobody waits."""
        with self._guard:
            return self._wake()

    def release(self) -> None:
        """Hand the lock on, or free it."""
        with self._guard:
            self._held = self._wake()

    def _wake(self) -> bool:
        if not self._waiting:
            return False
        self._waiting.popleft().release()
        return True


def _held() -> threading.Lock:
    """A lock that another thread will release: an Event for a tenth of its price."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def driver_connection(connection: Connection) -> Any:
    """The connection as the database's own driver knows it."""
    return connection.connection.driver_connection


class Group:
    """Writers whose effects are committed together."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.transaction = connection.begin()
        self.driver = driver_connection(connection)
        self.driver.execute("BEGIN IMMEDIATE")
        self.members = 0
        self.going_on = _held()
        self.error: BaseException | None = None

    def commit(self) -> None:
        """Commit, unless SQLite has given the transaction up by itself (a full disk)."""
        if not self.driver.in_transaction:
            self.give_up()
        self.transaction.commit()

    def give_up(self) -> NoReturn:
        """Take back all of it: no member's part can be told from the others' any more."""
        self.transaction.rollback()
        raise Overloaded("The database could not be written; try again.")

    def result(self) -> None:
        """Wait until it has ended; raises when nothing of it was kept."""
        with self.going_on:
            pass
        if self.error is not None:
            raise self.error

    def end(self, how: Callable[[], None]) -> None:
        """Commit or roll back, and tell the members."""
        try:
            how()
        except BaseException as error:  # noqa: BLE001 - every member raises it
            self.error = error
            with suppress(Exception):
                self.transaction.rollback()
        finally:
            self.going_on.release()


class GroupCommit:
    """The writers of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.turn = FairLock()
        self._open: Group | None = None
        # Of whose turn it is: SQLite keeps the pages of a connection that alone writes.
        self._connection: Connection | None = None
        self._keeps = True

    @contextmanager
    def member(
        self, wait: float, agreed: Callable[[], None], *, single: bool = False
    ) -> Iterator[Connection]:
        """A part of a transaction, durable when the block has ended without an error.

        `agreed` may raise at its end to take it back. A `single` statement needs no
        savepoint, as it happens or does not: `agreed` is asked before it, and the
        block ends with it. Raises TimeoutError when the turn does not come within
        `wait` seconds.
        """
        if not self.turn.acquire(wait):
            raise TimeoutError
        try:
            group = self._open = self._open or self._begun()
        except BaseException:
            self.turn.release()
            raise
        joins = group.members > 0
        has_savepoint = joins and not single
        try:
            if has_savepoint:
                group.driver.execute("SAVEPOINT member")
            if single:
                agreed()
            yield group.connection
            if not single:
                agreed()
            if has_savepoint:
                group.driver.execute("RELEASE member")
        except BaseException:
            if not joins:
                self._end(group, group.transaction.rollback)
            else:
                self._take_back(group, has_savepoint=has_savepoint)
                group.result()  # what it was refused for may stand in the same commit
            raise
        group.members += 1
        self._leave(group)
        group.result()

    def _begun(self) -> Group:
        connection = self._connection or self.engine.connect()
        self._connection = None
        try:
            group = Group(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return group

    def _take_back(self, group: Group, *, has_savepoint: bool) -> None:
        try:
            is_lost = not group.driver.in_transaction
            if has_savepoint and not is_lost:
                group.driver.execute("ROLLBACK TO member")
                group.driver.execute("RELEASE member")
        except sqlite3.Error:
            is_lost = True
        if is_lost:
            self._end(group, group.give_up)
        else:
            self._leave(group)

    def _leave(self, group: Group) -> None:
        if group.members >= MAX_WRITERS or not self.turn.pass_on():
            self._end(group, group.commit)

    def _end(self, group: Group, how: Callable[[], None]) -> None:
        self._open = None
        group.end(how)
        try:
            if group.error is not None or not self._keeps:
                self._let_go()
        finally:
            self.turn.release()

    def close(self) -> None:
        """Give the connection back, now or when the transaction at work has ended."""
        self._keeps = False
        if self.turn.acquire(0):
            if self._open is not None:  # handed on to us
                self._end(self._open, self._open.commit)
            else:
                self._let_go()
                self.turn.release()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

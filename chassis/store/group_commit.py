"""Group commit for the writers of one SQLite file, first come, first served.

SQLite has one writer at a time, and a durable commit waits for the disk. A
writer that sees others waiting releases its savepoint, leaves the transaction
open for the next writer and waits for the last one's commit. Many writers thus
share one wait for the disk, no caller gets its response before the commit that
holds its effect, and a writer that fails rolls back its own part only.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, NoReturn

from sqlalchemy import Connection

from chassis.errors import Overloaded

MAX_WRITERS = 32  # in one commit


class FairLock:
    """A lock handed over in the order in which it was requested."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()  # each held until its turn comes

    @property
    def waiters(self) -> int:
        """How many threads wait for the lock."""
        return len(self._waiting)

    def acquire(self, timeout: float) -> bool:
        """Take the lock, waiting at most `timeout` seconds; returns whether it did."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = create_held_lock()
            self._waiting.append(turn)
        if turn.acquire(timeout=max(timeout, 0)):
            return True
        with self._guard:
            if not turn.locked():  # the turn came after the timeout and before the guard
                return True
            self._waiting.remove(turn)
            return False

    def pass_on(self) -> bool:
        """Hand the lock to the thread that has waited longest; False if none waits."""
        with self._guard:
            return self._wake()

    def release(self) -> None:
        """Hand the lock on, or free it if no thread waits."""
        with self._guard:
            self._held = self._wake()

    def _wake(self) -> bool:
        if not self._waiting:
            return False
        self._waiting.popleft().release()
        return True


def create_held_lock() -> threading.Lock:
    """A lock for another thread to release: does what an Event does at a tenth of its cost."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def get_driver_connection(connection: Connection) -> Any:
    """The DBAPI connection behind a SQLAlchemy connection."""
    return connection.connection.driver_connection


class Group:
    """A transaction that several writers share."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.transaction = connection.begin()
        self.driver = get_driver_connection(connection)
        self.driver.execute("BEGIN IMMEDIATE")
        self.members = 0
        self.running = create_held_lock()
        self.error: BaseException | None = None

    def commit(self) -> None:
        """Commit; raises if SQLite has rolled back by itself (a full disk)."""
        if not self.driver.in_transaction:
            self.fail()
        self.transaction.commit()

    def fail(self) -> NoReturn:
        """Have `end` roll back every member's part: they can no longer be separated."""
        raise Overloaded("The database could not be written; try again.")

    def wait_for_end(self) -> None:
        """Wait for the end of the transaction; raises if it was not committed."""
        with self.running:
            pass
        if self.error is not None:
            raise self.error

    def end(self, finish: Callable[[], None]) -> None:
        """Commit or roll back by `finish`, and let the members go on."""
        try:
            finish()
        except BaseException as error:  # noqa: BLE001 - every member raises it
            self.error = error
            with suppress(Exception):
                self.transaction.rollback()
        finally:
            self.running.release()


class GroupCommit:
    """The group commits of one store."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self.connect = connect
        self.turn = FairLock()
        self._open: Group | None = None
        # Held between groups: SQLite keeps the page cache of a connection that alone writes.
        self._connection: Connection | None = None
        self._is_reused = True
        # Called with the seconds that each writer waited for its turn, and with the number of
        # writers of each commit.
        self.observe_wait: Callable[[float], None] | None = None
        self.observe_commit: Callable[[int], None] | None = None

    @contextmanager
    def member(
        self, wait: float, confirm: Callable[[], None], *, single: bool = False
    ) -> Iterator[Connection]:
        """A writer's part of a transaction, durable once the block has ended without an error.

        `confirm` runs at its end and may raise to roll the part back. A `single`
        statement is atomic by itself and needs no savepoint: `confirm` runs before it,
        and the block ends with it. Raises TimeoutError if the turn does not come
        within `wait` seconds.
        """
        if not self._take_turn(wait):
            raise TimeoutError
        try:
            group = self._open = self._open or self._begin()
        except BaseException:
            self.turn.release()
            raise
        joins = group.members > 0
        has_savepoint = joins and not single
        try:
            if has_savepoint:
                group.driver.execute("SAVEPOINT member")
            if single:
                confirm()
            yield group.connection
            if not single:
                confirm()
            if has_savepoint:
                group.driver.execute("RELEASE member")
        except BaseException:
            if not joins:
                self._end(group, group.transaction.rollback)
            else:
                self._roll_back_member(group, has_savepoint=has_savepoint)
                group.wait_for_end()  # what it failed on may be part of the same commit
            raise
        group.members += 1
        self._leave(group)
        group.wait_for_end()

    def _take_turn(self, wait: float) -> bool:
        if self.observe_wait is None:
            return self.turn.acquire(wait)
        began = monotonic()
        try:
            return self.turn.acquire(wait)
        finally:
            self.observe_wait(monotonic() - began)

    def _begin(self) -> Group:
        connection = self._connection or self.connect()
        self._connection = None
        try:
            group = Group(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return group

    def _roll_back_member(self, group: Group, *, has_savepoint: bool) -> None:
        try:
            is_lost = not group.driver.in_transaction
            if has_savepoint and not is_lost:
                group.driver.execute("ROLLBACK TO member")
                group.driver.execute("RELEASE member")
        except sqlite3.Error:
            is_lost = True
        if is_lost:
            self._end(group, group.fail)
        else:
            self._leave(group)

    def _leave(self, group: Group) -> None:
        if group.members >= MAX_WRITERS or not self.turn.pass_on():
            self._end(group, group.commit)

    def _end(self, group: Group, finish: Callable[[], None]) -> None:
        self._open = None
        group.end(finish)
        try:
            if group.error is not None or not self._is_reused:
                self._release_connection()
        finally:
            self.turn.release()
        if self.observe_commit is not None and group.members and group.error is None:
            self.observe_commit(group.members)

    def close(self) -> None:
        """Close the connection, now or when the running transaction has ended."""
        self._is_reused = False
        if self.turn.acquire(0):
            if self._open is not None:  # its writer handed the turn to us
                self._end(self._open, self._open.commit)
            else:
                self._release_connection()
                self.turn.release()

    def _release_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

"""Writers of one SQLite file: in the order of asking, several to a commit.

SQLite has one writer at a time, and a durable commit waits for the disk. Who
finds others waiting leaves the transaction open for the next one, as a
savepoint that is done, and waits for the commit of whoever is last. So the
disk is waited for once by many, nobody is answered before the commit that
holds his effect, and a writer that fails takes back his own part only.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine

MOST = 32  # writers in one commit


class FairLock:
    """A lock that is handed over in the order of asking."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout: float) -> bool:
        """Take the lock, waiting at most `timeout` seconds."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(max(timeout, 0)):
            return True
        with self._guard:
            if turn.is_set():
                return True
            self._waiting.remove(turn)
            return False

    def pass_on(self) -> bool:
        """Hand the lock to whoever has waited longest; False when nobody waits."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
                return True
            return False

    def release(self) -> None:
        """Hand the lock on, or free it."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False


class Group:
    """Writers whose effects are committed together."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.transaction = connection.begin()
        self.driver: Any = connection.connection.driver_connection
        self.members = 0
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def commit(self) -> None:
        """Commit; raises when SQLite has given the transaction up (a full disk) for all."""
        if not self.driver.in_transaction:
            raise RuntimeError("the transaction is gone")
        self.transaction.commit()

    def end(self, how: Callable[[], None]) -> None:
        """Commit or roll back, and tell the members."""
        try:
            how()
        except BaseException as error:  # noqa: BLE001 - every member raises it
            self.error = error
            with suppress(Exception):
                self.transaction.rollback()
        finally:
            self.connection.close()
            self.ended.set()


class GroupCommit:
    """The writers of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.turn = FairLock()
        self._open: Group | None = None

    @contextmanager
    def member(self, wait: float, agreed: Callable[[], None]) -> Iterator[Connection]:
        """A part of a transaction, durable when the block has ended without an error.

        `agreed` may raise at its end to take it back. Raises TimeoutError when
        the turn does not come within `wait` seconds.
        """
        if not self.turn.acquire(wait):
            raise TimeoutError
        try:
            group = self._open = self._open or Group(self.engine.connect())
        except BaseException:
            self.turn.release()
            raise
        joins = group.members > 0
        try:
            if joins:
                group.driver.execute("SAVEPOINT member")
            yield group.connection
            agreed()
            if joins:
                group.driver.execute("RELEASE member")
        except BaseException:
            if not joins:
                self._end(group, group.transaction.rollback)
            elif group.driver.in_transaction:
                group.driver.execute("ROLLBACK TO member")
                group.driver.execute("RELEASE member")
                self._leave(group)
            else:
                self._end(group, group.commit)
            raise
        group.members += 1
        self._leave(group)
        group.ended.wait()
        if group.error is not None:
            raise group.error

    def _leave(self, group: Group) -> None:
        if group.members >= MOST or not self.turn.pass_on():
            self._end(group, group.commit)

    def _end(self, group: Group, how: Callable[[], None]) -> None:
        self._open = None
        group.end(how)
        self.turn.release()

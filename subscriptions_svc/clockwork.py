"""What time alone does to subscriptions: the first year begins, the months are over.

It may run in any number of processes at once. Each holds the rows that it moves, passes over those
that another holds, and the move itself is a statement with its condition: nothing happens twice.
"""

import threading
from collections.abc import Callable
from datetime import datetime

from chassis.context import utc_now
from chassis.errors import Refusal
from chassis.store.database import Database
from chassis.telemetry import describe, log
from subscriptions_svc import moves

EVERY = 30.0  # seconds


def turn(database: Database, now: datetime) -> int:
    """Move whatever is due at `now`, some at a time; gives how many were moved."""
    moved = 0
    while True:
        with database.write() as tx:
            due = moves.due(tx, now)
            now_moved = sum(moves.by_time(tx, subscription, now) for subscription in due)
        moved += now_moved
        if len(due) < moves.SOME or not now_moved:
            return moved


class Clockwork:
    """Turns now and then, until it is stopped."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.now = now
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clockwork", daemon=True)

    def start(self) -> None:
        """Begin to turn."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the turn at hand, and no other."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                turn(self.database, self.now())
            except Refusal as refusal:  # the store is busy or away
                log().warning("not moved by time", reason=refusal.reason)
            except Exception as error:  # noqa: BLE001 - the thread outlives it
                log().error("not moved by time", **describe(error))
            if self._stopped.wait(EVERY):
                return

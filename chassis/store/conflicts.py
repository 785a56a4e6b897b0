"""Transactions that the database rolled back in favour of others, repeated within the deadline.

PostgreSQL ends one of two transactions that wait for each other (40P01), and stores that are
serializable by default end one of two that cannot be put in an order (40001). Nothing of it was
done, and the same again usually succeeds. What is repeated therefore has no effect before its
commit but in its transaction, and nothing is repeated after a commit.
"""

from collections.abc import Callable
from random import Random
from time import sleep
from typing import TypeVar

from sqlalchemy import Connection

from chassis.context import get_current_call
from chassis.store.database import Database
from chassis.store.errors import Conflict

T = TypeVar("T")
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.005, 0.25


def repeat_on_conflict(act: Callable[[], T]) -> T:
    """Return what `act` returns; it is called again after a Conflict before its first commit."""
    call = get_current_call()
    kept = (list(call.ids), call.is_audited, call.version, call.commits)
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return act()
        except Conflict:
            if call.commits != kept[-1] or call.get_seconds_left() <= pause:
                raise
            call.ensure_awaited()
        call.ids, call.is_audited, call.version, _ = (list(kept[0]), *kept[1:])
        call.repeats += 1
        # Both of two that met would meet again after equal pauses.
        sleep(pause * Random().uniform(0.5, 1))  # nosec B311  # jitter
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def perform(database: Database, act: Callable[[Connection], T]) -> T:
    """Return what `act` returns in a transaction of its own, which is repeated on a conflict."""

    def write() -> T:
        with database.write() as tx:
            return act(tx)

    return repeat_on_conflict(write)

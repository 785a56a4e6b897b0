"""How workers hand over: shared memory says which generation is the newest, and whether it is up.

gunicorn tells the old workers to stop as soon as it has forked the new ones at
a SIGHUP, long before those serve. The old ones look here and wait, however long it takes, and then
accept what has arrived already. A new one that cannot start is followed by another, after a pause
that grows with each that fails.
"""

import mmap
from time import monotonic, sleep
from typing import Any

# The cells: of the newest generation the first age and the number of workers; whether all are to
# stop; how many starts have failed since one did not; and ages that are up.
FIRST_AGE, WORKERS, STOPS, FAILURES, AGES = range(5)
SLOTS = 512 - AGES
LOOK_SECONDS = 0.05  # in a pause, for a stop
MAX_FAILURES = 10  # that are counted: their pause has its full length
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 5.0


class Board:
    """Memory that all workers share; made before the first is forked."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, 8 * (AGES + SLOTS))
        self._cells = memoryview(self._map).cast("Q")

    def begin_generation(self, first_age: int, workers: int) -> None:
        """Workers from this age on have a new configuration."""
        self._cells[FIRST_AGE], self._cells[WORKERS] = first_age, workers

    def is_outdated(self, age: int) -> bool:
        """Whether others were started to take this worker's place."""
        return age < self._cells[FIRST_AGE]

    def mark_up(self, age: int) -> None:
        """This worker serves."""
        self._cells[AGES + age % SLOTS] = age
        self._cells[FAILURES] = 0

    def is_up(self, age: int) -> bool:
        """Whether the worker of this age serves, if it lives."""
        return self._cells[AGES + age % SLOTS] == age

    def has_served(self) -> bool:
        """Whether any worker has ever served."""
        return any(self._cells[AGES:])

    def is_newest_up(self) -> bool:
        """Whether as many workers of the newest generation serve as are to be."""
        up = sum(age >= self._cells[FIRST_AGE] for age in self._cells[AGES:])
        return up >= self._cells[WORKERS]

    def begin_stop(self) -> None:
        """All workers are to stop."""
        self._cells[STOPS] = 1

    def is_stopping(self) -> bool:
        """Whether all workers are to stop, and none waits for its successor."""
        return bool(self._cells[STOPS])

    def count_failure(self) -> float:
        """A worker could not start; returns the seconds before another is to try."""
        failures = min(self._cells[FAILURES] + 1, MAX_FAILURES)
        self._cells[FAILURES] = failures
        return float(min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), MAX_PAUSE_SECONDS))


def delay_next_start(worker: Any) -> None:
    """Keep a worker that cannot start for a pause, unless it is to stop."""
    end = monotonic() + worker.siblings.count_failure()
    while not worker.told and monotonic() < end:
        worker.notify()
        sleep(LOOK_SECONDS)


def replace_failed(server: Any, worker: Any) -> None:
    """Start another in place of a new worker that did not get to serve.

    gunicorn does so only where too few are left, and counts those that wait to be replaced.
    """
    board = worker.siblings
    if board.is_up(worker.age) or board.is_outdated(worker.age) or board.is_stopping():
        return
    newest = [each for each in server.WORKERS.values() if not board.is_outdated(each.age)]
    if server.LISTENERS and len(server.WORKERS) >= server.num_workers > len(newest):
        server.spawn_worker()


def close_listeners(servers: list[Any]) -> None:
    """Accept the connections that have already arrived, and no more."""
    for server in servers:
        while not server.full() and (accepted := server.do_read()):
            server.do_handle(*accepted)
        server.close()
    servers.clear()

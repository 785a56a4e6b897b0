"""How workers hand over: shared memory says which generation is the newest, and whether it is up.

gunicorn tells the old workers to stop as soon as it has forked the new ones at
a SIGHUP, long before those serve. The old ones look here and wait, and then accept
what has arrived already.
"""

import mmap
from typing import Any

SLOTS = 510


class Board:
    """Memory that all workers share; made before the first is forked."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, 8 * (SLOTS + 2))
        # The first age of the newest generation, the number of its workers, ages that are up.
        self._cells = memoryview(self._map).cast("Q")

    def begin_generation(self, first_age: int, workers: int) -> None:
        """Workers from this age on have a new configuration."""
        self._cells[0], self._cells[1] = first_age, workers

    def is_outdated(self, age: int) -> bool:
        """Whether others were started to take this worker's place."""
        return age < self._cells[0]

    def mark_up(self, age: int) -> None:
        """This worker serves."""
        self._cells[2 + age % SLOTS] = age

    def is_up(self, age: int) -> bool:
        """Whether the worker of this age serves, if it lives."""
        return self._cells[2 + age % SLOTS] == age

    def is_newest_up(self) -> bool:
        """Whether as many workers of the newest generation serve as are to be."""
        up = sum(age >= self._cells[0] for age in self._cells[2:])
        return up >= self._cells[1]


def close_listeners(servers: list[Any]) -> None:
    """Accept the connections that have already arrived, and no more."""
    for server in servers:
        while not server.full() and (accepted := server.do_read()):
            server.do_handle(*accepted)
        server.close()
    servers.clear()

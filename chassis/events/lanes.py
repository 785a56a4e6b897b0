"""Lanes: deliveries that run at once, within limits, and never wait for those of another lane."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

MAX_DELIVERIES = 16  # at once
MAX_DELIVERIES_PER_OWNER = 4  # at once: a hanging endpoint must not stop the others


class Lane:
    """Deliveries of some owners: so many at once, and so many of one owner."""

    def __init__(
        self,
        name: str,
        *,
        deliveries: int = MAX_DELIVERIES,
        per_owner: int = MAX_DELIVERIES_PER_OWNER,
    ) -> None:
        self.deliveries = deliveries
        self.per_owner = per_owner
        self._pool = ThreadPoolExecutor(deliveries, thread_name_prefix=name)
        self._changes = threading.Condition()
        self._running: dict[Future[None], str] = {}

    def count_free_slots(self, owner: str) -> int:
        """Return how many deliveries of an owner may begin now."""
        with self._changes:
            busy = Counter(self._running.values())
        return min(self.deliveries - busy.total(), self.per_owner - busy[owner])

    def count_running(self) -> int:
        """Return how many deliveries run."""
        return len(self._running)

    def submit(self, owner: str, work: Callable[..., None], *arguments: Any) -> Future[None]:
        """Begin a delivery of an owner."""
        with self._changes:
            running = self._pool.submit(work, *arguments)
            self._running[running] = owner
        running.add_done_callback(self._finish)
        return running

    def wait_until_idle(self) -> None:
        """Wait for the running deliveries."""
        with self._changes:
            self._changes.wait_for(lambda: not self._running)

    def close(self) -> None:
        """Begin no more deliveries, and wait for the running ones."""
        self._pool.shutdown()

    def _finish(self, running: Future[None]) -> None:
        with self._changes:
            del self._running[running]
            self._changes.notify_all()

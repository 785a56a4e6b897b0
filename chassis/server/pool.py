"""The threads that run a service's calls."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from chassis.telemetry import describe, log

Ended = Callable[[Any], object]


class Job:
    """Work that waits for a thread, or runs, or has ended."""

    __slots__ = ("_args", "_first", "_work")

    def __init__(self, work: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._work, self._args = work, args
        # What came first, the callback or the end: the one that comes second calls the callback.
        # `setdefault` is atomic.
        self._first: dict[str, Ended] = {}

    def add_done_callback(self, callback: Ended) -> None:
        """Have `callback` called when the work has ended, at once if it has."""
        if self._first.setdefault("", callback) is not callback:
            callback(self)

    def run(self) -> None:
        """Do the work; its error is logged, since nobody waits for it."""
        try:
            self._work(*self._args)
        except BaseException as error:  # noqa: BLE001 - the thread goes on with other calls
            log().error("crash", **describe(error))
        finally:
            callback = self._first.setdefault("", _end)
            if callback is not _end:
                callback(self)


class CallPool(ThreadPoolExecutor):
    """What grpc needs of a ThreadPoolExecutor, whose futures take 20 us of CPU time a call.

    It is one because grpc looks for one. Nothing bounds what waits: `chassis.server.interceptor`
    admits no more than it may.
    """

    def __init__(self, threads: int, name: str) -> None:
        super().__init__(threads)
        self.unfinished = 0  # jobs that are admitted, wait or run
        self.silent = 0  # of those, calls whose message does not come
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._usual, self._name = threads, name
        self._running: list[Thread] = []
        self._size = self._started = 0
        self._counting = Lock()
        self.lend(0)

    def submit(  # type: ignore[override]  # a Job has what grpc needs of a future
        self, work: Callable[..., object], *args: Any
    ) -> Job:
        """Have a thread call `work`."""
        job = self.admit(work, *args)
        self.start(job)
        return job

    def admit(self, work: Callable[..., object], *args: Any) -> Job:
        """Count work that is to be started."""
        with self._counting:
            self.unfinished += 1
        return Job(work, args)

    def start(self, job: Job) -> None:
        """Have a thread do work that was admitted."""
        self._jobs.put(job)

    def count_waiting(self) -> int:
        """Return how many jobs wait for a thread."""
        return self._jobs.qsize()

    def lend(self, count: int) -> None:
        """Have so many threads more than usual; one thread calls this."""
        wanted = self._usual + count
        if wanted == self._size:
            return
        for _ in range(wanted, self._size):
            self._jobs.put(None)
        self._running = [each for each in self._running if each.is_alive()]
        for number in range(self._started, self._started + wanted - self._size):
            thread = Thread(target=self._run, name=f"{self._name}_{number}", daemon=True)
            thread.start()
            self._running.append(thread)
            self._started += 1
        self._size = wanted

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads, when all has ended that was submitted before."""
        for _ in range(self._size):
            self._jobs.put(None)
        for thread in self._running:
            thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job  # or the message and the metadata of a call would stay until the next
            with self._counting:
                self.unfinished -= 1


def _end(_job: Any) -> None:
    """Stand for the end of a job."""

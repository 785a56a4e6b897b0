"""The threads that run a service's calls."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
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


class CallPool:
    """What grpc needs of a ThreadPoolExecutor, whose futures take 20 us of CPU time a call.

    Nothing bounds what waits: `chassis.server.interceptor` admits no more than it may.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._run, name=f"{name}_{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[..., object], *args: Any) -> Job:
        """Have a thread call `work`."""
        job = Job(work, args)
        self._jobs.put(job)
        return job

    def shutdown(self) -> None:
        """End the threads, when all has ended that was submitted before."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job  # or the message and the metadata of a call would stay until the next


def _end(_job: Any) -> None:
    """Stand for the end of a job."""

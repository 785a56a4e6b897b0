"""A background loop: a thread that repeats its work until it is stopped."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType

from chassis.errors import Refusal
from chassis.telemetry import describe, log


@contextmanager
def run_loops(*loops: AbstractContextManager[object]) -> Iterator[None]:
    """Run several loops, or what has one; all of them have stopped at the end."""
    with ExitStack() as stack:
        for loop in loops:
            stack.enter_context(loop)
        yield


class BackgroundLoop:
    """Repeats `work` every `seconds`, and at once while it returns something true.

    `wakeup`, if given, ends the wait early. An error ends only its own round: it is logged, and
    the next round runs as usual. Usable as a context manager.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        seconds: float,
        wakeup: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.work = work
        self.seconds = seconds
        self.wakeup = wakeup or threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called; long work can check this and end early."""
        return self._stopped.is_set()

    def start(self) -> None:
        """Start the thread; its first round begins at once."""
        self._thread.start()

    def stop(self) -> None:
        """Let the running round finish, and start no other."""
        self._stopped.set()
        self.wakeup.set()
        self._thread.join()

    def __enter__(self) -> "BackgroundLoop":
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.wakeup.clear()
            # A stop between the two lines above is noticed here, not after a full wait.
            if not self._round() and not self._stopped.is_set():
                self.wakeup.wait(self.seconds)

    def _round(self) -> bool:
        try:
            return bool(self.work())
        except Refusal as refusal:  # the store is busy or away
            log().warning(f"{self.name} failed", reason=refusal.reason)
        except Exception as error:  # noqa: BLE001 - the thread outlives it
            log().error(f"{self.name} failed", **describe(error))
        return False

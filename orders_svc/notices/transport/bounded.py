"""Work on a lab's drop that ends in time, whatever hangs: a name, a server, a network folder."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeVar

from chassis.events.addresses import AttemptFailed

T = TypeVar("T")
GRACE_SECONDS = 1.0  # beyond the deadline that the work itself keeps


class BoundedCalls:
    """Makes calls of bounded time, each on behalf of a lab.

    Nothing ends a thread that hangs in the kernel. Its call fails, and until the thread has ended
    every other call of the lab fails at once, so that no more of them hang.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hanging: dict[str, int] = {}
        self._waited_for: set[Future[Any]] = set()

    def close(self) -> None:
        """Let the running calls fail: their process ends, and what they do can be repeated."""
        with self._lock:
            waited_for = list(self._waited_for)
        for each in waited_for:
            with suppress(InvalidStateError):
                each.set_exception(AttemptFailed("stopped"))

    def run(self, lab_id: str, seconds: float, work: Callable[[], T]) -> T:
        """Return what `work` returns; raises what it raises, and AttemptFailed in time."""
        with self._lock:
            if self._hanging.get(lab_id):
                raise AttemptFailed("timeout")
        done: Future[T] = Future()
        with self._lock:
            self._waited_for.add(done)
        state = {"hangs": False, "ended": False}
        thread = threading.Thread(
            target=self._work, args=(lab_id, work, done, state), name="drop", daemon=True
        )
        thread.start()
        try:
            return done.result(seconds + GRACE_SECONDS)
        except TimeoutError:
            with self._lock:
                if not state["ended"]:
                    state["hangs"] = True
                    self._hanging[lab_id] = self._hanging.get(lab_id, 0) + 1
            raise AttemptFailed("timeout") from None
        finally:
            with self._lock:
                self._waited_for.discard(done)

    def _work(
        self, lab_id: str, work: Callable[[], Any], done: Future[Any], state: dict[str, bool]
    ) -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            try:
                done.set_result(work())
            except InvalidStateError:
                raise
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                done.set_exception(error)
        with self._lock:
            state["ended"] = True
            if state["hangs"]:
                self._hanging[lab_id] -= 1

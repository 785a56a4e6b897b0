"""Work on a lab's drop that ends in time, whatever hangs: a name, a server, a network folder."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from chassis.events.addresses import AttemptFailed

T = TypeVar("T")
GRACE_SECONDS = 2.0  # beyond the deadline that the work itself keeps


class BoundedCalls:
    """Makes calls of bounded time, each on behalf of a lab.

    Nothing ends a thread that hangs in the kernel. Its call fails, and until the thread has ended
    every other call of the lab fails at once, so that no more of them hang.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hanging: dict[str, int] = {}

    def run(self, lab_id: str, seconds: float, work: Callable[[], T]) -> T:
        """Return what `work` returns; raises what it raises, and AttemptFailed in time."""
        with self._lock:
            if self._hanging.get(lab_id):
                raise AttemptFailed("timeout")
        done: Future[T] = Future()
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

    def _work(
        self, lab_id: str, work: Callable[[], Any], done: Future[Any], state: dict[str, bool]
    ) -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)
        with self._lock:
            state["ended"] = True
            if state["hangs"]:
                self._hanging[lab_id] -= 1

"""The lock of the writers of one SQLite file: first come, first served."""

import threading
import time

import pytest

from chassis.store import group_commit
from chassis.store.group_commit import FairLock


def test_the_lock_is_handed_over_in_the_order_of_asking() -> None:
    lock, order = FairLock(), list[int]()
    lock.acquire(0)

    def take(number: int) -> None:
        assert lock.acquire(5)
        order.append(number)
        lock.release()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for waiting, thread in enumerate(threads, 1):
        thread.start()
        while lock.waiters < waiting:
            time.sleep(0.001)
    lock.release()
    for thread in threads:
        thread.join()
    assert order == list(range(8))
    assert lock.acquire(0)


def test_a_writer_that_waits_too_long_leaves_the_queue() -> None:
    lock = FairLock()
    assert lock.acquire(0)
    began = time.monotonic()
    assert not lock.acquire(0.1)
    assert not lock.acquire(-1)
    assert 0.1 <= time.monotonic() - began < 1
    lock.release()
    assert lock.acquire(0)


def test_a_turn_that_arrives_while_the_wait_times_out_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = FairLock()

    class LateTurn:
        """A turn whose wait times out, and which comes at that moment."""

        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.lock.acquire()
            self.locked, self.release = self.lock.locked, self.lock.release

        def acquire(self, timeout: float) -> bool:
            lock.release()
            return False

    assert lock.acquire(0)
    with monkeypatch.context() as patched:
        patched.setattr(group_commit, "create_held_lock", LateTurn)
        assert lock.acquire(0.01)
    assert not lock.acquire(0)
    assert lock.waiters == 0
    lock.release()
    assert lock.acquire(0)

"""The threads that run calls."""

import threading
import weakref
from typing import Any

import pytest

from chassis.server.pool import CallPool, Job
from tests.chassis.logs import capture_log

PATIENCE_SECONDS = 10


def test_work_runs_in_as_many_threads_as_there_are() -> None:
    pool, together = CallPool(3, "rpc"), threading.Barrier(3)
    names: set[str] = set()

    def work(number: int) -> None:
        together.wait(PATIENCE_SECONDS)
        names.add(f"{threading.current_thread().name} {number}")

    for number in range(3):
        pool.submit(work, number)
    pool.shutdown()
    assert {each.split()[0] for each in names} == {"rpc_0", "rpc_1", "rpc_2"}
    assert {each.split()[1] for each in names} == {"0", "1", "2"}


def test_what_was_submitted_before_the_end_is_done() -> None:
    pool, done, goes_on = CallPool(1, "rpc"), list[int](), threading.Event()
    pool.submit(goes_on.wait, PATIENCE_SECONDS)
    for number in range(100):
        pool.submit(done.append, number)
    goes_on.set()
    pool.shutdown()
    assert done == list(range(100))


def test_an_error_ends_neither_the_thread_nor_the_count() -> None:
    pool, ended = CallPool(1, "rpc"), threading.Event()

    def fail() -> None:
        raise LookupError("Canaryfirst")

    with capture_log() as read_log:
        pool.submit(fail).add_done_callback(lambda _: ended.set())
        assert ended.wait(PATIENCE_SECONDS)
        pool.submit(ended.clear)
        pool.shutdown()
        (line,) = read_log()
    assert not ended.is_set()
    assert line["error"] == "LookupError"
    assert "Canaryfirst" not in str(line)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_no_error_ends_a_thread(error: type[BaseException]) -> None:
    pool, ended, goes_on = CallPool(1, "rpc"), threading.Event(), threading.Event()

    def fail() -> None:
        raise error

    pool.submit(fail).add_done_callback(lambda _: ended.set())
    pool.submit(goes_on.set)
    assert ended.wait(PATIENCE_SECONDS)
    assert goes_on.wait(PATIENCE_SECONDS)
    pool.shutdown()


def test_a_thread_that_waits_keeps_nothing_of_its_last_call() -> None:
    """A call's metadata holds the caller's secret, and its message may be 4 MB."""
    pool, freed = CallPool(1, "rpc"), threading.Event()

    class Message:
        pass

    message = Message()
    weakref.finalize(message, freed.set)
    pool.submit(id, message)
    del message
    assert freed.wait(PATIENCE_SECONDS)
    pool.shutdown()


def test_the_callback_is_called_once_whichever_comes_first() -> None:
    called: list[Any] = []
    early, late = Job(int, ()), Job(int, ())
    early.add_done_callback(called.append)
    assert called == []
    early.run()
    late.run()
    late.add_done_callback(called.append)
    assert called == [early, late]


def test_no_callback_is_lost_between_the_two() -> None:
    pool, counted = CallPool(2, "rpc"), threading.Semaphore(0)
    for _ in range(5_000):
        pool.submit(int).add_done_callback(lambda _: counted.release())
    pool.shutdown()
    assert sum(counted.acquire(blocking=False) for _ in range(5_001)) == 5_000

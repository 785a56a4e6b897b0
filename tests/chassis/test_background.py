"""A background loop: its rounds, what ends it, and what does not."""

import threading

from chassis.background import BackgroundLoop
from chassis.errors import Busy
from tests.chassis.logs import capture_log


def test_it_works_at_once_and_stops() -> None:
    worked = threading.Event()
    with BackgroundLoop("test", worked.set, 60):
        assert worked.wait(10)


def test_work_that_found_something_is_repeated_without_a_wait() -> None:
    rounds, done = iter([True, True, False]), threading.Event()

    def work() -> bool:
        again = next(rounds)
        if not again:
            done.set()
        return again

    with BackgroundLoop("test", work, 60):
        assert done.wait(10)


def test_a_wakeup_ends_the_wait() -> None:
    wakeup, rounds = threading.Event(), threading.Semaphore(0)
    with BackgroundLoop("test", rounds.release, 60, wakeup):
        assert rounds.acquire(timeout=10)
        wakeup.set()
        assert rounds.acquire(timeout=10)


def test_errors_end_one_round_and_are_logged_without_their_text() -> None:
    failures, done = iter([Busy("Ada"), ValueError("Ada")]), threading.Event()

    def work() -> None:
        for failure in failures:
            raise failure
        done.set()

    with capture_log() as lines, BackgroundLoop("test", work, 0.01):
        assert done.wait(10)
    refused, failed = lines()
    assert (refused["level"], refused["event"], refused["reason"]) == (
        "warning",
        "test failed",
        "BUSY",
    )
    assert (failed["level"], failed["event"], failed["error"]) == (
        "error",
        "test failed",
        "ValueError",
    )
    assert "Ada" not in str(lines())


def test_a_stop_waits_for_the_round_at_work_and_starts_no_other() -> None:
    begun, go, rounds = threading.Event(), threading.Event(), list[int]()

    def work() -> bool:
        rounds.append(1)
        begun.set()
        return go.wait(10)

    loop = BackgroundLoop("test", work, 0)
    loop.start()
    assert begun.wait(10)
    stopper = threading.Thread(target=loop.stop)
    stopper.start()
    while not loop.is_stopping:
        pass
    assert stopper.is_alive()
    go.set()
    stopper.join(10)
    assert rounds == [1]

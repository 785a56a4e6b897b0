"""A call that never returns: it is given up, and the lab is tried no further until it has."""

import threading
from time import monotonic

import pytest

from chassis.events.addresses import AttemptFailed
from orders_svc.notices.transport import bounded
from orders_svc.notices.transport.bounded import BoundedCalls
from tests.chassis.events.outboxes import wait_until


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at the deadline."""
    monkeypatch.setattr(bounded, "GRACE_SECONDS", 0.05)


def test_it_works() -> None:
    assert BoundedCalls().run("lab_1", 10, lambda: 7) == 7


@pytest.mark.parametrize("error", [AttemptFailed("denied"), ValueError("x"), KeyboardInterrupt()])
def test_an_error_is_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as failed:
        BoundedCalls().run("lab_1", 10, fail)
    assert failed.value is error


def test_a_process_that_ends_waits_for_none() -> None:
    calls, begun, end = BoundedCalls(), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        end.wait(60)

    def close() -> None:
        begun.wait(20)
        calls.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(AttemptFailed, match="stopped"):
        calls.run("lab_1", 60, hang)
    closing.join()
    end.set()
    assert calls.run("lab_1", 10, lambda: 7) == 7


def test_a_call_that_hangs_is_given_up_and_stops_its_lab_alone() -> None:
    calls, end, begun = BoundedCalls(), threading.Event(), []

    def hang() -> None:
        begun.append(1)
        end.wait(60)

    for _ in range(3):
        began = monotonic()
        with pytest.raises(AttemptFailed, match="timeout"):
            calls.run("lab_1", 0.05, hang)
        assert monotonic() - began < 20
    assert len(begun) == 1
    assert calls.run("lab_2", 10, lambda: "fine") == "fine"
    end.set()
    wait_until(lambda: not calls._hanging["lab_1"])
    assert calls.run("lab_1", 10, lambda: "fine") == "fine"

"""Counters in memory: they count, they end, and there are never too many."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.rates.counters import MemoryCounters
from gateway.rates.limiter import Limiter
from gateway.rates.policies import Policy


def test_it_works() -> None:
    counters = MemoryCounters()
    assert [counters.increment("a", "x", 0, 60) for _ in range(3)] == [1, 2, 3]
    assert counters.increment("a", "y", 0, 60) == 1
    assert counters.increment("b", "x", 0, 60) == 1


def test_what_has_ended_makes_room_and_then_the_oldest() -> None:
    counters = MemoryCounters(max_keys=3)
    for key in "abc":
        counters.increment("p", key, 0, 60)
    counters.increment("p", "b", 1, 60)
    counters.increment("p", "d", 1, 60)
    counts = counters._policies["p"]
    assert counts == {"b": (2, 60), "c": (1, 60), "d": (1, 60)}
    counters.increment("p", "e", 60, 120)
    assert counts == {"e": (1, 120)}


def test_counts_at_once_are_all_counted() -> None:
    limiter = Limiter({"p": Policy("p", 500, 86400 * 365)}, MemoryCounters())

    def count(_: int) -> bool:
        quota = limiter.count("p", "x")
        assert quota is not None
        return quota.is_exceeded

    with ThreadPoolExecutor(8) as pool:
        assert sum(not each for each in pool.map(count, range(2000))) == 500


def test_a_window_ends_and_another_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_800_000_000.0]
    monkeypatch.setattr("gateway.rates.limiter.time", lambda: now[0])
    limiter = Limiter({"p": Policy("p", 2, 60)}, MemoryCounters())
    first = limiter.count("p", "x")
    assert first is not None
    assert 1 <= first.seconds_left <= 60
    now[0] += first.seconds_left - 0.5 if first.seconds_left > 1 else 0
    assert [q.remaining for _ in range(2) if (q := limiter.count("p", "x"))] == [0, 0]
    now[0] += 1.5
    again = limiter.count("p", "x")
    assert again is not None
    assert (again.remaining, again.is_exceeded) == (1, False)
    assert again.seconds_left >= 58


def test_windows_of_different_keys_begin_at_different_moments() -> None:
    limiter = Limiter({"p": Policy("p", 2, 86400)}, MemoryCounters())
    ends = {q.seconds_left for each in "abcdefgh" if (q := limiter.count("p", each))}
    assert len(ends) > 1


def test_keys_hold_nothing_that_a_caller_sent() -> None:
    counters = MemoryCounters()
    Limiter({"p": Policy("p", 2, 60)}, counters).count("p", "Basic c2VjcmV0", "203.0.113.9")
    assert "c2VjcmV0" not in repr(counters._policies)
    assert "203.0.113.9" not in repr(counters._policies)

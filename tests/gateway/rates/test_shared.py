"""Counters in a real Redis: exact for all that share it, and never in the way."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from gateway.rates import shared
from gateway.rates.limiter import Limiter
from gateway.rates.policies import Policy
from gateway.rates.shared import AWAY, BACK, SharedCounters
from tests.chassis.logs import capture_log
from tests.gateway.real_front import gunicorn
from tests.redis_server import RedisServer, redis_server

YEAR = 365 * 24 * 3600
POLICY = {"carts": Policy("carts", 50, YEAR)}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis."""
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than 50 ms for a thread's turn; what is exact is counted."""
    monkeypatch.setattr(shared, "CALL_SECONDS", 20.0)


def wait_for(ready: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.usefixtures("patient")
def test_it_is_exact_for_all_that_share_it(redis: RedisServer) -> None:
    limiters = [Limiter(POLICY, SharedCounters(redis.url)) for _ in range(4)]

    def count(number: int) -> bool:
        quota = limiters[number % 4].count("carts", "x")
        assert quota is not None
        return not quota.is_exceeded

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(count, range(200))) == 50


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("valkey://cache:6379/1", "redis://cache:6379/1"),
        ("valkeys://cache", "rediss://cache"),
        ("valkey+unix:///run/valkey.sock", "redis+unix:///run/valkey.sock"),
        ("redis://valkey.example:6379", "redis://valkey.example:6379"),
        ("redis+unix:///run/valkey.sock", "redis+unix:///run/valkey.sock"),
    ],
)
def test_only_the_scheme_of_a_valkey_changes(url: str, named: str) -> None:
    assert shared.name_redis(url) == named


def test_valkey_is_spoken_to_as_well(redis: RedisServer) -> None:
    counters = SharedCounters(redis.url.replace("redis+unix", "valkey+unix"))
    assert [counters.increment("carts", "x", 0, 60) for _ in range(2)] == [1, 2]


def test_workers_of_a_real_front_share_it(redis: RedisServer, tmp_path: Path) -> None:
    """Two gateways of two workers each; each request is counted once, wherever it arrives."""
    environ = {"GATEWAY_LIMIT_CARTS": "20/year", "GATEWAY_LIMIT_STORE": redis.url}
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with (
        gunicorn(folders[0], workers=2, environ=environ) as one,
        gunicorn(folders[1], workers=2, environ=environ) as two,
    ):
        answers = [front.get("/s/code") for _ in range(30) for front in (one, two)]
    # A busy machine may miss the 50 ms for some, which are then not limited.
    counted = [each for each in answers if "ratelimit" in each.headers]
    refused = [each for each in counted if each.status == 429]
    places = [
        each.headers["ratelimit"].partition(";t=")[0] for each in counted if each.status != 429
    ]
    assert refused
    assert set(places) <= {f'"carts";r={left}' for left in range(20)}
    assert len(set(places)) == len(places)


def test_a_frozen_one_limits_nothing_and_is_left_alone(redis: RedisServer) -> None:
    counters = SharedCounters(redis.url)
    limiter = Limiter(POLICY, counters)
    os.kill(redis.process.pid, signal.SIGSTOP)
    try:
        with capture_log() as lines:
            begun = time.monotonic()
            assert [limiter.count("carts", "x") for _ in range(2000)] == [None] * 2000
            seconds = time.monotonic() - begun
        assert counters.breaker.is_open
        # Three calls open the breaker; then one a second looks. All 2,000 would take 100 seconds.
        assert seconds < 50
        assert [line["event"] for line in lines()] == [AWAY]
    finally:
        os.kill(redis.process.pid, signal.SIGCONT)
    with capture_log() as lines:
        wait_for(lambda: limiter.count("carts", "x") is not None)
        assert [line["event"] for line in lines()] == [BACK]


def test_one_that_is_not_there_limits_nothing(tmp_path: Path) -> None:
    counters = SharedCounters(f"redis+unix://{tmp_path}/redis.sock")
    with capture_log() as lines:
        assert [counters.increment("carts", "x", 0, 60) for _ in range(20)] == [None] * 20
        assert [line["event"] for line in lines()] == [AWAY]
    with redis_server(tmp_path):
        wait_for(lambda: counters.increment("carts", "x", 0, 60) is not None)


def test_what_never_ends_its_answer_is_not_waited_for() -> None:
    """It drips bytes, so no read of its socket ever times out."""
    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def drip() -> None:
            client, _ = server.accept()
            with client, suppress(OSError):
                while not over.wait(0.01):
                    client.sendall(b"+")

        dripping = pool.submit(drip)
        counters = SharedCounters(f"redis://127.0.0.1:{server.getsockname()[1]}")
        assert counters.increment("carts", "x", 0, 60) is None
        assert counters.running == 1  # left behind
        over.set()
        dripping.result(30)
        wait_for(lambda: counters.running == 0)


def test_those_left_behind_are_few(monkeypatch: pytest.MonkeyPatch, redis: RedisServer) -> None:
    counters = SharedCounters(redis.url)
    monkeypatch.setattr(counters, "running", shared.MAX_RUNNING_CALLS)
    assert counters.increment("carts", "x", 0, 60) is None


def test_without_its_client_the_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("redis", "redis.backoff", "redis.retry"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit, match=r"pip install 'limits\[redis\]'"):
        SharedCounters("redis://127.0.0.1:1")

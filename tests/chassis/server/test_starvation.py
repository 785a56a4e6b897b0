"""Callers cannot starve a service: silent calls, reflection streams, floods."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_reflection.v1alpha import reflection_pb2

from chassis.server import arrivals, reflection, server, watchdog
from chassis.server.interceptor import MAX_CALLS
from chassis.server.pool import CallPool
from chassis.server.server import THREADS
from tests.chassis.events.outboxes import wait_until
from tests.chassis.probe import Probe, probe
from tests.serving import build_basic

GET = "/optigate.subscriptions.v1.SubscriptionService/GetSubscription"
REFLECT = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"


@pytest.fixture(params=["grpcio's", "another grpcio's"])
def holds_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a silent call holds a thread, as it does where grpcio has other internals."""
    holds: bool = request.param == "another grpcio's"
    if holds:
        monkeypatch.setattr(arrivals, "serve_call", None)
    return holds


@pytest.fixture
def stand_in(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    holds_threads: bool,
) -> Iterator[Probe]:
    monkeypatch.setattr(watchdog, "MESSAGE_SECONDS", 0.5)
    monkeypatch.setattr(reflection, "STREAM_SECONDS", 0.5)
    with probe(tmp_path) as running:
        yield running


class Silence:
    """Requests that do not come until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        self.over.wait(60)
        yield from ()


def count_threads(pool: CallPool) -> int:
    """How many threads a pool has."""
    return sum(each.is_alive() for each in pool._running)


@pytest.fixture
def silence() -> Iterator[Silence]:
    made = Silence()
    yield made
    made.over.set()


def test_calls_whose_message_never_comes_are_cancelled(stand_in: Probe, silence: Silence) -> None:
    call: Any = stand_in.channel.stream_unary(GET)
    metadata = [("authorization", build_basic("somebody"))]
    futures = [call.future(iter(silence), timeout=60, metadata=metadata) for _ in range(20)]
    assert stand_in.call(act=lambda: None, timeout=60)[0].id == "s1"
    assert {future.code() for future in futures[:THREADS]} == {StatusCode.CANCELLED}


def test_a_call_without_a_message_is_refused(stand_in: Probe) -> None:
    call: Any = stand_in.channel.stream_unary(GET)
    with pytest.raises(grpc.RpcError) as raised:
        call(iter(()), timeout=60, metadata=[("authorization", build_basic("somebody"))])
    assert raised.value.code() is StatusCode.INVALID_ARGUMENT
    assert raised.value.details() == "The call has no message."


def open_silently(stand_in: Probe, silence: Silence, rpc: str, count: int) -> list[Any]:
    call: Any = stand_in.channel.stream_unary(rpc)
    return [call.future(iter(silence), timeout=60) for _ in range(count)]


@pytest.mark.parametrize("count", [3 * THREADS, MAX_CALLS - 1])
def test_silent_calls_hold_up_no_other(
    stand_in: Probe,
    silence: Silence,
    count: int,
    holds_threads: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They need no credentials, and may hold a thread until they are over."""
    monkeypatch.setattr(watchdog, "MESSAGE_SECONDS", 60)
    futures = open_silently(stand_in, silence, GET, count)
    assert stand_in.call(act=lambda: None, timeout=20)[0].id == "s1"
    pool, kept = stand_in.running.interceptor.pool, min(count, watchdog.MAX_SILENT)
    wait_until(lambda: sum(not each.done() for each in futures) <= kept)
    wait_until(lambda: sum(not each.done() for each in futures) == pool.silent)
    # One less, if the other call waited for its turn when the oldest were ended.
    assert pool.silent in (kept, kept - 1)
    lent = min(2 * pool.silent, watchdog.MAX_SILENT) if holds_threads else 0
    wait_until(lambda: count_threads(pool) == THREADS + lent)
    assert stand_in.call(act=lambda: None, timeout=20)[0].id == "s1"
    silence.over.set()
    wait_until(lambda: all(each.done() for each in futures))
    wait_until(lambda: (pool.silent, count_threads(pool)) == (0, THREADS))


def test_a_late_message_under_load_is_waited_for(
    stand_in: Probe, silence: Silence, holds_threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It brings two threads more, not one for each call that waits, and is not ended for them.

    None, where it holds no thread itself.
    """
    monkeypatch.setattr(watchdog, "MESSAGE_SECONDS", 60)
    pool = stand_in.running.interceptor.pool
    (late,) = open_silently(stand_in, silence, GET, 1)
    wait_until(lambda: pool.silent == 1)
    go = threading.Event()
    stand_in.servicer.act = lambda: go.wait(60)
    get: Any = stand_in.channel.unary_unary(GET)
    metadata = [("authorization", build_basic("somebody"))]
    futures = [get.future(b"", timeout=60, metadata=metadata) for _ in range(100)]
    wait_until(lambda: pool.count_waiting() > watchdog.MAX_SILENT)
    time.sleep(3 * watchdog.SCAN_SECONDS)
    assert (late.done(), count_threads(pool)) == (False, THREADS + 2 * holds_threads)
    go.set()
    assert all(future.result() is not None for future in futures)
    assert not late.done()


def test_a_message_that_comes_late_is_answered(stand_in: Probe) -> None:
    come = threading.Event()

    def send_late() -> Iterator[bytes]:
        assert come.wait(60)
        yield b""

    call: Any = stand_in.channel.stream_unary(GET)
    metadata = [("authorization", build_basic("somebody"))]
    late = call.future(send_late(), timeout=60, metadata=metadata)
    pool = stand_in.running.interceptor.pool
    wait_until(lambda: pool.unfinished == 1)
    come.set()
    assert late.result(timeout=60) is not None
    wait_until(lambda: (pool.unfinished, pool.silent) == (0, 0))


def test_a_caller_who_leaves_before_its_message_leaves_nothing(
    stand_in: Probe, silence: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "MESSAGE_SECONDS", 60)
    pool = stand_in.running.interceptor.pool
    futures = open_silently(stand_in, silence, GET, 2 * THREADS)
    wait_until(lambda: pool.silent == 2 * THREADS)
    for each in futures:
        each.cancel()
    wait_until(lambda: (pool.unfinished, pool.silent) == (0, 0))
    assert not stand_in.running.watchdog._waits


def test_a_server_with_silent_calls_ends(
    stand_in: Probe, silence: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "MESSAGE_SECONDS", 60)
    futures = open_silently(stand_in, silence, GET, 2 * THREADS)
    wait_until(lambda: stand_in.running.interceptor.pool.silent == 2 * THREADS)
    stand_in.running.stop(grace=0.1)
    wait_until(lambda: all(each.done() for each in futures))
    assert stand_in.running.interceptor.pool.unfinished == 0


def test_no_call_is_ended_for_a_time_in_which_the_process_was_stopped() -> None:
    ended = threading.Event()

    class Call:
        cancel = ended.set

    dog = watchdog.Watchdog()
    dog.watch(Call(), 0)
    dog._scanned -= 10
    dog._scan()
    assert not ended.is_set()  # what came meanwhile is not read yet
    dog._scanned -= 10
    dog._scan()
    assert ended.is_set()  # on a machine where each look is late, too


@pytest.mark.parametrize("rpc", ["Check", "Watch"])
def test_silent_probes_hold_up_no_probe_and_no_call(
    stand_in: Probe, silence: Silence, rpc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "MESSAGE_SECONDS", 60)
    open_silently(stand_in, silence, f"/grpc.health.v1.Health/{rpc}", 100)
    health: Any = stand_in.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"", timeout=20) == b"\x08\x01"
    assert stand_in.call(act=lambda: None, timeout=20)[0].id == "s1"


@pytest.mark.parametrize("rpc", ["Check", "Watch"])
def test_a_probe_without_a_message_is_refused(stand_in: Probe, rpc: str) -> None:
    call: Any = stand_in.channel.stream_unary(f"/grpc.health.v1.Health/{rpc}")
    with pytest.raises(grpc.RpcError) as raised:
        call(iter(()), timeout=60)
    assert raised.value.code() is StatusCode.INVALID_ARGUMENT


def test_calls_that_grpc_refuses_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own bound comes after the interceptor, which hears nothing of it."""
    monkeypatch.setattr(server, "MAX_CONCURRENT_RPCS", 4)
    go = threading.Event()
    with probe(tmp_path) as stand_in:
        stand_in.servicer.act = lambda: go.wait(60)
        get: Any = stand_in.channel.unary_unary(GET)
        metadata = [("authorization", build_basic("somebody"))]
        futures = [get.future(b"", timeout=60, metadata=metadata) for _ in range(MAX_CALLS + 20)]
        wait_until(lambda: sum(each.done() for each in futures) == MAX_CALLS + 16)
        go.set()
        wait_until(lambda: all(each.done() for each in futures))
        assert stand_in.running.interceptor.admitted == 0
        assert stand_in.call(act=lambda: None, timeout=20)[0].id == "s1"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_open_reflection_streams_hold_up_no_call(
    stand_in: Probe, silence: Silence, version: str
) -> None:
    reflect: Any = stand_in.channel.stream_stream(REFLECT.format(version))
    streams = [reflect(iter(silence), timeout=60) for _ in range(20)]
    assert stand_in.call(act=lambda: None, timeout=20)[0].id == "s1"
    codes = []
    for stream in streams[:2]:
        with pytest.raises(grpc.RpcError) as raised:
            next(stream)
        codes.append(raised.value.code())
    assert codes == [StatusCode.CANCELLED] * 2
    for stream in streams:
        stream.cancel()
    request = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    assert next(reflect(iter([request]), timeout=60))


def test_reflection_is_off_unless_asked_for(tmp_path: Path) -> None:
    with probe(tmp_path, reflection=False) as stand_in:
        reflect: Any = stand_in.channel.stream_stream(REFLECT.format("v1alpha"))
        with pytest.raises(grpc.RpcError) as raised:
            next(reflect(iter([b""]), timeout=20))
        assert raised.value.code() is StatusCode.UNIMPLEMENTED


def test_a_full_service_answers_probes_and_counts_only_its_own_calls(
    stand_in: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "MESSAGE_SECONDS", 60)  # each message comes, sooner or later
    go = threading.Event()
    stand_in.servicer.act = lambda: go.wait(60)
    get: Any = stand_in.channel.unary_unary(GET)
    metadata = [("authorization", build_basic("somebody"))]
    futures = [get.future(b"", timeout=60, metadata=metadata) for _ in range(MAX_CALLS)]
    try:
        # A call that came before the last of them would take its place.
        wait_until(lambda: stand_in.running.interceptor.admitted == MAX_CALLS)
        refused = stand_in.refusal(timeout=20)
        assert refused.code is StatusCode.RESOURCE_EXHAUSTED
        assert refused.reason == "OVERLOADED"
        health: Any = stand_in.channel.unary_unary("/grpc.health.v1.Health/Check")
        assert health(b"", timeout=20) == b"\x08\x01"
    finally:
        go.set()
        stand_in.servicer.act = lambda: None
    assert all(future.result() is not None for future in futures)
    assert stand_in.call(timeout=20)[0].id == "s1"


def test_health_follows_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.server.server.READINESS_SECONDS", 0.05)
    with probe(tmp_path) as stand_in:
        health: Any = stand_in.channel.unary_unary("/grpc.health.v1.Health/Check")

        def wait_for(status: bytes) -> None:
            deadline = time.monotonic() + 30
            while health(b"", timeout=20) != status:
                assert time.monotonic() < deadline
                time.sleep(0.02)

        wait_for(b"\x08\x01")
        path = Path(stand_in.database.url.database or "")
        path.rename(path.with_suffix(".away"))
        wait_for(b"\x08\x02")
        path.with_suffix(".away").rename(path)
        wait_for(b"\x08\x01")

"""Repeats, the bulkhead, the breaker, and the end of a channel."""

import base64
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.status import Code
from gateway.channel import Channel, RpcError, frames
from gateway.channel.addresses import Address, Options
from gateway.channel.resolver import Target
from gateway.channel.streams import Request, Stream
from tests.gateway.channel.callers import OnThreads, Outcome, opened
from tests.gateway.channel.conftest import Connect
from tests.gateway.channel.peers import (
    DEAD,
    HEAD,
    OK,
    PATIENCE_SECONDS,
    Link,
    echo,
    literal,
    message,
    peer,
    server,
    wait_for,
)

PROBE = "/test.Test/WhoAmI"


# Repeats.


class Failing:
    """A script that fails calls until it has done so `times` times."""

    def __init__(self, times: int, *trailers: bytes, code: Code = Code.UNAVAILABLE) -> None:
        self.left, self.calls = times, 0
        self._block = literal("grpc-status", str(code.value)) + b"".join(trailers)

    def __call__(self, link: Link) -> None:
        link.greet()
        while True:
            number, _ = link.request()
            self.calls += 1
            if self.left:
                self.left -= 1
                link.send(frames.build_frame(1, 5, number, HEAD + self._block))
            else:
                link.answer(number, b"done")


def build_overloaded() -> bytes:
    info = Packed()
    info.Pack(ErrorInfo(reason="OVERLOADED", domain="optigate"))
    packed = Status(code=14, details=[info]).SerializeToString()
    return literal("grpc-status-details-bin", base64.b64encode(packed).rstrip(b"="))


@pytest.mark.parametrize(
    ("trailers", "times", "repeatable", "code", "calls"),
    [
        ([], 2, True, Code.OK, 3),
        ([], 4, True, Code.UNAVAILABLE, 4),
        ([], 1, False, Code.UNAVAILABLE, 1),
        ([literal("grpc-retry-pushback-ms", "-1")], 1, True, Code.UNAVAILABLE, 1),
        ([literal("grpc-retry-pushback-ms", "5")], 1, True, Code.UNAVAILABLE, 1),
        ("overloaded", 1, True, Code.UNAVAILABLE, 1),
    ],
)
def test_only_what_is_safe_is_repeated(
    connect: Connect, trailers: Any, times: int, repeatable: bool, code: Code, calls: int
) -> None:
    script = Failing(times, *([build_overloaded()] if trailers == "overloaded" else trailers))
    with peer(script) as at:
        assert connect(at.target).call("Echo", repeatable=repeatable).code is code
        assert script.calls == calls


@pytest.mark.parametrize(("repeatable", "code", "calls"), [(True, 0, 3), (False, 1, 1)])
def test_a_call_that_a_server_cancels_as_it_stops_is_repeated_where_that_is_safe(
    connect: Connect, repeatable: bool, code: int, calls: int
) -> None:
    script = Failing(2, code=Code.CANCELLED)
    with peer(script) as at:
        assert connect(at.target).call("Echo", repeatable=repeatable).code is Code(code)
        assert script.calls == calls


def test_other_codes_are_never_repeated(connect: Connect) -> None:
    with server() as at:
        caller = connect(at.target)
        for code in list(Code)[1:]:
            if code not in (Code.UNAVAILABLE, Code.CANCELLED):
                asked = json.dumps({"code": code, "message": ""}).encode()
                assert caller.call("Fail", asked, repeatable=True).code is code
        assert len(at.calls) == 14


def test_a_failing_service_is_soon_not_asked_twice(connect: Connect) -> None:
    script = Failing(1000)
    with peer(script) as at:
        caller = connect(at.target)
        for _ in range(5):
            caller.call("Echo", repeatable=True)
        before = script.calls
        for _ in range(5):
            assert caller.call("Echo", repeatable=True).code is Code.UNAVAILABLE
        assert script.calls == before + 5


def test_no_repeat_goes_past_the_deadline(connect: Connect) -> None:
    with peer(Failing(9)) as at:
        outcome = connect(at.target).call("Echo", timeout=0.04, repeatable=True)
        assert outcome.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


# The bulkhead and the breaker.


def test_no_more_calls_wait_than_may(connect: Connect) -> None:
    with server() as at, ThreadPoolExecutor(2) as pool:
        caller = connect(at.target, max_waiting=2)
        assert caller.call("Echo")
        waiting = [pool.submit(caller.call, "Wait") for _ in range(2)]
        wait_for(lambda: at.calls.count("wait") == 2)
        outcome = caller.call("Echo", repeatable=True)
        assert (outcome.code, outcome.refused) == (Code.UNAVAILABLE, True)
        at.may_end.set()
        assert all(each.result() for each in waiting)
        assert caller.call("Echo")


class Hung:
    """A script that answers nothing once it is `hung`, and tells WhoAmI from other calls."""

    def __init__(self) -> None:
        self.hung = threading.Event()
        self.seen: Counter[str] = Counter()

    def __call__(self, link: Link) -> None:
        link.greet()
        while True:
            number, block = link.request()
            probe = b"WhoAmI" in block
            assert not probe or b"authorization" not in block
            self.seen["probe" if probe else "call"] += 1
            if not self.hung.is_set():
                status = literal("grpc-status", "16") if probe else OK
                answer = frames.build_frame(0, 0, number, message(b"")) if not probe else b""
                link.send(
                    frames.build_frame(1, 4, number, HEAD),
                    answer,
                    frames.build_frame(1, 5, number, status),
                )


def test_a_hung_service_is_refused_at_once_until_it_answers_a_probe(connect: Connect) -> None:
    script = Hung()
    with peer(script) as at:
        caller = connect(at.target, breaker_deadlines=3, probe=PROBE)
        assert caller.call("Echo")
        script.hung.set()
        for _ in range(3):
            assert caller.states() == {at.target: "ready"}
            assert caller.call("Echo", timeout=0.1).code is Code.DEADLINE_EXCEEDED
        assert caller.states() == {at.target: "hung"}
        outcome = caller.call("Echo", repeatable=True, metadata=(("authorization", "x"),))
        assert (outcome.code, outcome.refused) == (Code.UNAVAILABLE, True)
        wait_for(lambda: script.seen["probe"])
        assert caller.call("Echo").refused
        assert script.seen["call"] == 4
        script.hung.clear()
        wait_for(lambda: caller.states() == {at.target: "ready"})
        assert caller.call("Echo")


def test_an_answer_of_any_kind_between_keeps_the_breaker_closed(connect: Connect) -> None:
    with server() as at:
        caller = connect(at.target, breaker_deadlines=2, probe=PROBE)
        assert caller.call("Echo")
        for _ in range(3):
            assert caller.call("Wait", timeout=0.05).code is Code.DEADLINE_EXCEEDED
            asked = json.dumps({"code": 13, "message": ""}).encode()
            assert caller.call("Fail", asked).code is Code.INTERNAL
        assert caller.states() == {at.target: "ready"}


def answer_exceeded(link: Link) -> None:
    """A script that answers each call at once: it says that the deadline has passed."""
    link.greet()
    while True:
        number, _ = link.request()
        block = HEAD + literal("grpc-status", str(Code.DEADLINE_EXCEEDED.value))
        link.send(frames.build_frame(1, 5, number, block))


def test_an_early_answer_of_a_passed_deadline_is_a_sign_of_life(connect: Connect) -> None:
    with peer(answer_exceeded) as at:
        caller = connect(at.target, breaker_deadlines=2, probe=PROBE)
        for _ in range(4):
            assert caller.call("Echo").code is Code.DEADLINE_EXCEEDED
        assert caller.states() == {at.target: "ready"}


def test_a_passed_deadline_that_the_server_answers_too_opens_the_breaker() -> None:
    endpoint = Target(DEAD).look_up()[0][0]
    address = Address(endpoint, Options(breaker_deadlines=2, probe=PROBE), lambda: None)
    for _ in range(2):
        assert not address.is_open
        stream = Stream(Request(PROBE, b"", b"", time.monotonic(), 0))
        stream.completed, stream.code = True, Code.DEADLINE_EXCEEDED
        address.count(stream)
    assert address.is_open
    address.close()


def test_one_hung_address_leaves_the_others_alone(connect: Connect) -> None:
    script = Hung()
    with server() as live, peer(script) as at:
        caller = connect(f"{live.target},{at.target}", breaker_deadlines=2, probe=PROBE)
        script.hung.set()
        while caller.states().get(at.target) != "hung":
            caller.call("Echo", timeout=0.5)
        for _ in range(10):
            assert caller.call("Echo")


def test_without_a_probe_there_is_no_breaker(connect: Connect) -> None:
    script = Hung()
    with peer(script) as at:
        caller = connect(at.target, breaker_deadlines=1)
        assert caller.call("Echo")
        script.hung.set()
        for _ in range(3):
            assert caller.call("Echo", timeout=0.05).code is Code.DEADLINE_EXCEEDED
        assert caller.states() == {at.target: "ready"}


# What else it promises.


def test_calls_fail_fast_while_it_connects_again(connect: Connect) -> None:
    caller = connect(DEAD)
    for _ in range(3):
        assert caller.call("Echo", timeout=20).code is Code.UNAVAILABLE
    assert caller.states() == {DEAD: "failing"}


def test_attempts_to_connect_back_off(connect: Connect) -> None:
    with peer(lambda link: None) as at:
        caller = connect(at.target)
        caller.call("Echo")
        time.sleep(1)
        assert at.links < 12


def test_methods_come_from_the_descriptors() -> None:
    at = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, at)
    port = at.add_insecure_port("127.0.0.1:0")
    at.start()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    channel = Channel(f"127.0.0.1:{port}")
    try:
        methods = channel.methods(health_pb2.DESCRIPTOR.services_by_name["Health"])
        assert "Watch" not in methods
        answer = methods["Check"](health_pb2.HealthCheckRequest(), timeout=20, repeatable=True)
        assert answer.message == health_pb2.HealthCheckResponse(status="SERVING")
        assert answer.address == f"127.0.0.1:{port}"
        with pytest.raises(RpcError, match="NOT_FOUND"):
            methods["Check"](health_pb2.HealthCheckRequest(service="x"), timeout=20)
    finally:
        channel.close()
        at.stop(0).wait()


def test_closing_cancels_what_waits() -> None:
    before = set(threading.enumerate())
    script = Hung()
    with peer(script) as at, ThreadPoolExecutor(3) as pool:
        caller = OnThreads(at.target)
        script.hung.set()
        waiting = [pool.submit(caller.call, "Echo") for _ in range(3)]
        wait_for(lambda: script.seen["call"] == 3)
        caller.close()
        assert {each.result(PATIENCE_SECONDS).code for each in waiting} == {Code.CANCELLED}
        assert caller.call("Echo").code is Code.CANCELLED
        caller.close()
    wait_for(lambda: set(threading.enumerate()) <= before)


def test_closing_ends_connections_that_the_server_is_leaving_too() -> None:
    left = threading.Event()

    def leave(link: Link) -> None:
        link.greet()
        number, _ = link.request()
        link.send(frames.build_frame(frames.GOAWAY, 0, 0, number.to_bytes(4) + bytes(4)))
        left.set()
        link.drain()

    with peer(leave, echo) as at, ThreadPoolExecutor(1) as pool:
        caller = OnThreads(at.target)
        waiting = pool.submit(caller.call, "Echo")
        assert left.wait(PATIENCE_SECONDS)
        wait_for(lambda: at.links == 2)
        caller.close()
        assert waiting.result(PATIENCE_SECONDS).code is Code.CANCELLED


def test_metadata_that_cannot_travel_is_refused_before_anything_is_sent() -> None:
    with peer(echo) as at, opened(at.target) as caller:
        with pytest.raises(ValueError, match="metadata"):
            caller.call("Echo", metadata=(("x", "two\nlines"),))
        assert at.links == 0


def test_many_threads_with_deadlines_of_all_lengths_end_well() -> None:
    def call(number: int) -> Outcome:
        body = b"%d" % number * (number % 97 * 50)
        outcome = caller.call("Echo", body, timeout=(0.0, 0.002, 0.01, 20)[number % 4])
        assert outcome.value == body or outcome.code is Code.DEADLINE_EXCEEDED
        return outcome

    with server() as at, opened(at.target) as caller, ThreadPoolExecutor(24) as pool:
        assert caller.call("Echo")
        outcomes = list(pool.map(call, range(2000)))
        assert all(each for number, each in enumerate(outcomes) if number % 4 == 3)
        assert caller.call("Echo")


def test_neither_grpc_nor_gevent_nor_flask_is_imported() -> None:
    # The package itself, without what gateway/__init__.py brings.
    code = """
import sys, types
gateway = types.ModuleType("gateway")
gateway.__path__ = ["gateway"]
sys.modules["gateway"] = gateway
import gateway.channel
print({"grpc", "gevent", "flask", "asyncio"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

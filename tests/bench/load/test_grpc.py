"""The hand-made gRPC connection against a real gRPC server."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from bench.load.generator import Address, Load
from bench.load.grpc import LOST, status
from bench.scenarios.works import MakingByGrpc

LONG = "x" * 300


class Echo:
    """Answers with the request, its count and what it was told in metadata."""

    def __init__(self) -> None:
        self.count = 0
        self.seen: set[tuple[str, Any]] = set()

    def __call__(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.count += 1
        self.seen |= set(context.invocation_metadata())
        assert 0 < context.time_remaining() <= 10
        if b"refuse" in request:
            context.set_trailing_metadata((("grpc-status-details-bin", bytes(range(256))),))
            context.abort(grpc.StatusCode.NOT_FOUND, "No such thing, ä.")
        return request + b" %d" % self.count


@pytest.fixture
def server() -> Iterator[tuple[Echo, Address]]:
    """A server with one thread, so that its count needs no lock."""
    echo = Echo()
    with ThreadPoolExecutor(1) as pool:
        running = grpc.server(pool)
        handlers: Any = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
        running.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("bench.Test", handlers),)
        )
        port = running.add_insecure_port("127.0.0.1:0")
        running.start()
        yield echo, ("127.0.0.1", port)
        running.stop(0).wait()


def test_many_calls_at_once_all_get_their_answers(server: tuple[Echo, Address]) -> None:
    echo, address = server
    metadata = {"Authorization": "Bearer token", "x-long": LONG}
    work = MakingByGrpc(address, "/bench.Test/Echo", metadata, b"hello")
    result = Load(work, connections=20, seconds=30, requests=500).run()
    assert (result.answered, result.errors) == (500, Counter())
    assert sorted(work.answers) == sorted(b"hello %d" % count for count in range(1, 501))
    assert {("authorization", "Bearer token"), ("x-long", LONG)} <= echo.seen


def test_more_bytes_than_a_window_holds_arrive_whole(server: tuple[Echo, Address]) -> None:
    _, address = server
    big = bytes(range(256)) * 200
    work = MakingByGrpc(address, "/bench.Test/Echo", {}, big)
    result = Load(work, connections=8, seconds=30, requests=80).run()
    assert (result.answered, result.errors) == (80, Counter())
    assert {answer[: len(big)] for answer in work.answers} == {big}


def test_a_refusal_is_counted_by_its_code(server: tuple[Echo, Address]) -> None:
    _, address = server
    work = MakingByGrpc(address, "/bench.Test/Echo", {}, b"refuse")
    result = Load(work, connections=4, seconds=30, requests=20).run()
    assert result.errors == Counter({str(grpc.StatusCode.NOT_FOUND.value[0]): 20})
    assert result.answered == 0


def test_an_unknown_rpc_is_counted_by_its_code(server: tuple[Echo, Address]) -> None:
    _, address = server
    work = MakingByGrpc(address, "/bench.Test/Nothing", {}, b"")
    result = Load(work, connections=1, seconds=30, requests=3).run()
    assert result.errors == Counter({str(grpc.StatusCode.UNIMPLEMENTED.value[0]): 3})


def test_headers_without_a_status_are_a_lost_call() -> None:
    assert status(b"\x00\x01a\x01b") == LOST

"""The hand-made gRPC connection against a real gRPC server."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from bench.load.generator import Load
from bench.load.grpc import LOST_STREAM, read_status
from bench.load.sockets import Address
from bench.scenarios.scenario import CreateOverGrpc

LONG_VALUE = "x" * 300


class Echo:
    """Answers with the request and its count, and keeps the metadata of all calls."""

    def __init__(self) -> None:
        self.count = 0
        self.metadata: set[tuple[str, Any]] = set()

    def __call__(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.count += 1
        self.metadata |= set(context.invocation_metadata())
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
    metadata = {"Authorization": "Bearer token", "x-long": LONG_VALUE}
    scenario = CreateOverGrpc(address, "/bench.Test/Echo", metadata, b"hello")
    result = Load(scenario, connections=20, seconds=30, requests=500).run()
    assert (result.answered, result.errors) == (500, Counter())
    assert sorted(scenario.answers) == sorted(b"hello %d" % count for count in range(1, 501))
    assert {("authorization", "Bearer token"), ("x-long", LONG_VALUE)} <= echo.metadata


def test_more_bytes_than_a_window_holds_arrive_whole(server: tuple[Echo, Address]) -> None:
    _, address = server
    big = bytes(range(256)) * 200
    scenario = CreateOverGrpc(address, "/bench.Test/Echo", {}, big)
    result = Load(scenario, connections=8, seconds=30, requests=80).run()
    assert (result.answered, result.errors) == (80, Counter())
    assert {answer[: len(big)] for answer in scenario.answers} == {big}


def test_a_call_has_metadata_of_its_own_beside_that_of_its_connection(
    server: tuple[Echo, Address],
) -> None:
    echo, address = server
    own = [{"x-own": "one"}, {"x-own": "#" * 32}]
    scenario = CreateOverGrpc(address, "/bench.Test/Echo", {"x-all": "a"}, [b"1", b"2"], own)
    result = Load(scenario, connections=2, seconds=30, requests=20).run()
    assert (result.answered, result.errors) == (20, Counter())
    values = {value for name, value in echo.metadata if name == "x-own"}
    assert "one" in values
    assert len(values) == 11  # a placeholder is another value in each request
    assert ("x-all", "a") in echo.metadata


def test_connections_are_opened_to_several_addresses_in_turn(server: tuple[Echo, Address]) -> None:
    _, address = server
    scenario = CreateOverGrpc([address, address], "/bench.Test/Echo", {}, b"hello")
    result = Load(scenario, connections=16, seconds=30, requests=40).run()
    assert (result.answered, result.errors) == (40, Counter())


def test_a_refusal_is_counted_by_its_code(server: tuple[Echo, Address]) -> None:
    _, address = server
    scenario = CreateOverGrpc(address, "/bench.Test/Echo", {}, b"refuse")
    result = Load(scenario, connections=4, seconds=30, requests=20).run()
    assert result.errors == Counter({str(grpc.StatusCode.NOT_FOUND.value[0]): 20})
    assert result.answered == 0


def test_an_unknown_rpc_is_counted_by_its_code(server: tuple[Echo, Address]) -> None:
    _, address = server
    scenario = CreateOverGrpc(address, "/bench.Test/Nothing", {}, b"")
    result = Load(scenario, connections=1, seconds=30, requests=3).run()
    assert result.errors == Counter({str(grpc.StatusCode.UNIMPLEMENTED.value[0]): 3})


def test_headers_without_a_status_are_a_lost_call() -> None:
    assert read_status(b"\x00\x01a\x01b") == LOST_STREAM

"""`python -m bench null-rpc`: what the wait for a call's message costs the server of a service.

A child serves one RPC that does nothing, on three ports: as our interceptor registers it
(stream-unary, a thread begins when the message has come), as it does with another grpcio
(stream-unary, a watched thread waits for the message), and as a plain unary one. Rounds alternate
between them; the figure is the child's own CPU time.
"""

import multiprocessing
import multiprocessing.connection
import statistics
import time
from collections import deque
from typing import Any

import click
import grpc

from chassis.server.arrivals import Arrivals
from chassis.server.interceptor import CallInterceptor
from chassis.server.pool import CallPool
from chassis.server.watchdog import Watchdog
from protos import orders_pb2

SERVICE = orders_pb2.DESCRIPTOR.services_by_name["OrderService"]
METHOD = f"/{SERVICE.full_name}/WhoAmI"
THREADS = 8
CALLS_AT_ONCE = 16
CREATE_ORDER_MICROSECONDS = 794  # of the service's CPU, on the machine of bench/README.md


class Arriving(CallInterceptor):
    """Our interceptor without what it does for a call."""

    def _serve(self, method: Any, rpc: str, request: Any, context: Any) -> Any:
        return method(request, context)


class Watched(Arriving):
    """The same with a thread that waits for the message."""

    def _wrap(self, rpc: str, handler: Any) -> Any:
        wrapped = super()._wrap(rpc, handler)
        del wrapped.stream_unary.experimental_thread_pool
        return wrapped


class Plain(Arriving):
    """The same with plain unary RPCs."""

    def _wrap(self, rpc: str, handler: Any) -> Any:
        method = handler.unary_unary

        def receive(request: Any, context: grpc.ServicerContext) -> Any:
            return self._serve(method, rpc, request, context)

        wrapped = self.handlers[rpc] = grpc.unary_unary_rpc_method_handler(
            receive,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return wrapped


WAYS = {
    Arriving: "stream-unary, begun when it came",
    Watched: "stream-unary, watched",
    Plain: "unary",
}


def start(
    kind: type[CallInterceptor], watchdog: Watchdog, pool: CallPool
) -> tuple[grpc.Server, int]:
    """Start a server of that kind; returns it and its port."""
    nothing: Any = None
    arrivals = Arrivals(pool, watchdog)
    interceptor = kind(nothing, nothing, nothing, [SERVICE], frozenset(), arrivals)
    server = grpc.server(pool, interceptors=[interceptor])
    answer = orders_pb2.WhoAmIResponse()
    handler = grpc.unary_unary_rpc_method_handler(
        lambda _request, _context: answer,
        request_deserializer=orders_pb2.WhoAmIRequest.FromString,
        response_serializer=orders_pb2.WhoAmIResponse.SerializeToString,
    )
    methods = {"WhoAmI": handler}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE.full_name, methods),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def serve(pipe: multiprocessing.connection.Connection) -> None:
    """Serve all ways, and tell the CPU time whenever asked, until the pipe is closed."""
    pools = {kind: CallPool(THREADS, "rpc") for kind in WAYS}
    watchdog = Watchdog([*pools.values()])
    watchdog.start()
    servers = [start(kind, watchdog, pool) for kind, pool in pools.items()]
    pipe.send([port for _, port in servers])
    try:
        while True:
            pipe.recv()
            pipe.send(time.process_time())
    except EOFError:
        for server, _ in servers:
            server.stop(0).wait()
        watchdog.stop()


def load(call: Any, count: int) -> None:
    """Make so many calls, some at once."""
    request, waiting = orders_pb2.WhoAmIRequest(), deque[Any]()
    for _ in range(count):
        if len(waiting) == CALLS_AT_ONCE:
            waiting.popleft().result()
        waiting.append(call.future(request))
    for each in waiting:
        each.result()


@click.command("null-rpc", help="What waiting for a call's message costs, in microseconds of CPU.")
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
@click.option("--calls", type=click.IntRange(1), default=3000, show_default=True, help="A round.")
def null_rpc(rounds: int, calls: int) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=serve, args=(theirs,))
    child.start()
    theirs.close()
    channels = [grpc.insecure_channel(f"127.0.0.1:{port}") for port in ours.recv()]
    costs: list[list[float]] = [[] for _ in channels]
    for number in range(-1, rounds):  # the first one warms up
        for channel, taken in zip(channels, costs, strict=True):
            call = channel.unary_unary(
                METHOD,
                request_serializer=orders_pb2.WhoAmIRequest.SerializeToString,
                response_deserializer=orders_pb2.WhoAmIResponse.FromString,
            )
            ours.send(None)
            before = ours.recv()
            load(call, calls)
            ours.send(None)
            spent = ours.recv() - before
            if number >= 0:
                taken.append(spent / calls * 1e6)
    for channel in channels:
        channel.close()
    ours.close()
    child.join()
    click.echo(f"CPU of the server for a null RPC, microseconds, {rounds} rounds of {calls}:")
    for name, taken in zip(WAYS.values(), costs, strict=True):
        click.echo(f"  {name:32} min {min(taken):6.1f}  median {statistics.median(taken):6.1f}")
    *ours_all, plain = costs
    for name, taken in zip(WAYS.values(), ours_all, strict=False):
        more = statistics.median(taken) - statistics.median(plain)
        share = more / CREATE_ORDER_MICROSECONDS
        click.echo(f"  {name:32} {more:+6.1f} to unary, {share:+.1%} of CreateOrder")


COMMANDS = (null_rpc,)

"""gRPC's health service, served by a thread of its own.

grpc_health's servicer alone has three defects: Check waits behind the RPCs of the
service; a call whose message never comes holds its thread without end; and a watcher
that disconnects while a status is being sent stops the server for good. The status
is sent under a lock that is held until the server's event thread has sent it, and
that thread takes the same lock to remove the watcher.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

from chassis.errors import Busy, Refusal
from chassis.server.arrivals import Arrivals
from chassis.server.pool import CallPool
from chassis.store.database import Database
from chassis.store.errors import find_database_error
from chassis.telemetry import log


class HealthServicer(health.HealthServicer):  # type: ignore[misc]  # it has no types
    """Reports which services are serving, on request and to watchers."""

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__(experimental_non_blocking=True)
        self.arrivals, self.pool = arrivals, arrivals.pool

    def register(self, server: grpc.Server) -> None:
        """Add the health service to a server; a call without its message holds up no other."""

        def receive(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            request = self.arrivals.receive(requests, context)
            if request is None:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The call has no message.")
            return request

        def check(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            return self.Check(receive(requests, context), context)

        def watch(
            requests: Iterator[Any], context: grpc.ServicerContext, send: Callable[[Any], None]
        ) -> None:
            pooled = _PooledCallbacks(context, self.pool)
            self.Watch(receive(requests, context), pooled, send)

        behaviors: list[Any] = [check, watch]
        for each in behaviors:  # where grpcio looks
            each.experimental_thread_pool = self.arrivals
        behaviors[1].experimental_non_blocking = True
        formats = {
            "request_deserializer": health_pb2.HealthCheckRequest.FromString,
            "response_serializer": health_pb2.HealthCheckResponse.SerializeToString,
        }
        handlers = {
            "Check": grpc.stream_unary_rpc_method_handler(check, **formats),
            "Watch": grpc.stream_stream_rpc_method_handler(watch, **formats),
        }
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(health.SERVICE_NAME, handlers),)
        )


class _PooledCallbacks:
    """A context whose callbacks run in a pool instead of the server's event thread."""

    def __init__(self, context: grpc.ServicerContext, pool: CallPool) -> None:
        self._context, self._pool = context, pool

    def add_callback(self, callback: Callable[[], None]) -> bool:
        return self._context.add_callback(lambda: self._submit(callback))

    def _submit(self, callback: Callable[[], None]) -> None:
        self._pool.submit(callback)


class ReadinessCheck:
    """Checks whether the store is usable, and reports that through the health service."""

    def __init__(
        self, database: Database, servicer: HealthServicer, services: Sequence[str]
    ) -> None:
        self.database, self.servicer, self.services = database, servicer, services
        self.is_ready = True
        self._report()

    def __call__(self) -> None:
        """Check once; a change is logged with the database's own name of the error."""
        try:
            self.database.check()
            is_ready, error = True, ""
        except Busy:  # somebody writes: it can be used
            is_ready, error = True, ""
        except Refusal as refusal:
            is_ready, error = False, find_database_error(refusal) or refusal.reason
        if is_ready != self.is_ready:
            self.is_ready = is_ready
            self._report()
            if is_ready:
                log().warning("ready again")
            else:
                log().error("not ready", database_error=error)

    def _report(self) -> None:
        serving = health_pb2.HealthCheckResponse.SERVING
        status = serving if self.is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self.services:
            self.servicer.set(name, status)

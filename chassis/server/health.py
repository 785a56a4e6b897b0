"""gRPC's health service, served by a thread of its own.

grpc_health's servicer alone has two defects: Check waits behind the RPCs of the
service, and a watcher that disconnects while a status is being sent stops the
server for good. The status is sent under a lock that is held until the server's
event thread has sent it, and that thread takes the same lock to remove the
watcher.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.errors import Busy, Refusal
from chassis.store.database import Database, find_database_error
from chassis.telemetry import log


class HealthServicer(health.HealthServicer):  # type: ignore[misc]  # it has no types
    """Reports which services are serving, on request and to watchers."""

    def __init__(self) -> None:
        self.own = ThreadPoolExecutor(1, thread_name_prefix="health")
        super().__init__(experimental_non_blocking=True, experimental_thread_pool=self.own)
        # The base class sets the pool for Watch only. Function attributes are shared: in a process
        # with several servers, the last one's pool serves them all.
        HealthServicer.Check.experimental_thread_pool = self.own  # type: ignore[attr-defined]

    def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        answer: health_pb2.HealthCheckResponse = super().Check(request, context)
        return answer

    def Watch(
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.ServicerContext,
        send_response_callback: Any = None,
    ) -> Any:
        return super().Watch(request, _PooledCallbacks(context, self.own), send_response_callback)

    def register(self, server: grpc.Server) -> None:
        """Add the health service to a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)


class _PooledCallbacks:
    """A context whose callbacks run in a pool instead of the server's event thread."""

    def __init__(self, context: grpc.ServicerContext, pool: ThreadPoolExecutor) -> None:
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

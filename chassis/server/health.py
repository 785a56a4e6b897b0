"""gRPC's health service, answered by a thread of its own.

With the servicer of grpc_health alone two things go wrong: Check waits behind
the RPCs of the service, and a watcher who goes away while a status is being
told stops the server for good. The status is told under a lock, until the
server's event thread has sent it; and that thread wants the same lock to
forget the watcher.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class HealthServicer(health.HealthServicer):  # type: ignore[misc]  # it has no types
    """Says which services are serving, on demand and to watchers."""

    def __init__(self) -> None:
        self.own = ThreadPoolExecutor(1, thread_name_prefix="health")
        super().__init__(experimental_non_blocking=True, experimental_thread_pool=self.own)
        # The base gives the pool to Watch alone. The attributes are the functions' own, so that
        # the last server that a process starts answers for all of them.
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
        return super().Watch(request, _Elsewhere(context, self.own), send_response_callback)

    def register(self, server: grpc.Server) -> None:
        """Answer on a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)


class _Elsewhere:
    """A context whose end is told in a pool instead of in the server's event thread."""

    def __init__(self, context: grpc.ServicerContext, pool: ThreadPoolExecutor) -> None:
        self._context, self._pool = context, pool

    def add_callback(self, callback: Callable[[], None]) -> bool:
        def tell() -> None:
            self._pool.submit(callback)

        return self._context.add_callback(tell)

"""Server reflection, v1 and v1alpha, in a small pool of its own and for a limited time.

Its streams hold a thread each: in the server's own pool four open ones stopped a service.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_reflection.v1alpha import reflection, reflection_pb2

from chassis.server.watchdog import Watchdog

THREADS = 2
STREAM_SECONDS = 10.0
V1 = "grpc.reflection.v1.ServerReflection"  # the same messages as v1alpha, byte for byte
NAMES = (V1, reflection.SERVICE_NAME)


def enable_reflection(
    server: grpc.Server, services: Iterable[str], watchdog: Watchdog
) -> ThreadPoolExecutor:
    """Answer reflection on a server; returns the pool to shut down with it."""
    servicer = reflection.ReflectionServicer([*services, HEALTH_NAME, *NAMES])
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="reflection")

    def reflect(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        watchdog.watch(context, STREAM_SECONDS)
        try:
            yield from servicer.ServerReflectionInfo(requests, context)
        finally:
            watchdog.release(context)

    reflect.experimental_thread_pool = pool  # type: ignore[attr-defined]  # where grpcio looks
    handler = grpc.stream_stream_rpc_method_handler(
        reflect,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
            for name in NAMES
        )
    )
    return pool

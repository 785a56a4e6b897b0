"""A gRPC server as each service runs it.

One interceptor stands before every RPC: it finds the caller, replays what an
idempotency key has already done, turns refusals into statuses and logs a line.
"""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from time import monotonic, sleep
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1.health import SERVICE_NAME
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from sqlalchemy import Connection

from chassis.background import BackgroundLoop
from chassis.context import (
    REQUEST_ID_PATTERN,
    Call,
    begin_call,
    check_idempotency_key,
    end_call,
    new_request_id,
    utc_now,
)
from chassis.errors import Refusal, encode
from chassis.server.accounts import CLIENT, STAFF, Authenticate, require_role
from chassis.server.health import HealthServicer
from chassis.server.idempotency import IdempotencyKeys, KeyTaken, fingerprint
from chassis.store.database import Database
from chassis.store.reference_cache import ReferenceCache
from chassis.telemetry import describe, log

THREADS = {True: 4, False: 12}  # on SQLite, on PostgreSQL: more only wait for the GIL
MAX_CONCURRENT_RPCS = 128
MAX_REQUEST_BYTES = 4 * 1024 * 1024  # bytes of a request
CLEANUP_SECONDS = 3600
DRAIN_SECONDS = 1.0  # seconds in which callers learn that this server goes, before it refuses
GRPC_OPTIONS = [
    ("grpc.so_reuseport", 0),
    # The gateway pings each 30 seconds; without these it is cut off as too eager after minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Of several HTTP headers of 8 KB each, none is to look like an outage.
    ("grpc.max_metadata_size", 64 * 1024),
]
Method = Callable[[Message, grpc.ServicerContext], Message]
Registration = tuple[Any, Callable[[Any, grpc.Server], None], ServiceDescriptor]


@dataclass(frozen=True)
class Resources:
    """What the servicers of a running service work with."""

    database: Database
    cache: ReferenceCache
    public_url: str  # of the gateway, without a slash at its end
    now: Callable[[], datetime] = utc_now


class CallInterceptor(grpc.ServerInterceptor):
    """What happens around every RPC of a service's own."""

    def __init__(
        self,
        database: Database,
        idempotency_keys: IdempotencyKeys,
        authenticate: Authenticate,
        services: Iterable[ServiceDescriptor],
        open_rpcs: frozenset[str],
    ) -> None:
        self.database = database
        self.idempotency_keys = idempotency_keys
        self.authenticate = authenticate
        self.open_rpcs = open_rpcs
        self.roles = {}
        self.responses: dict[str, type[Message]] = {}
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}  # made at the first call
        for service in services:
            role = role_of(service)
            for method in service.methods:
                rpc = f"/{service.full_name}/{method.name}"
                self.roles[rpc] = role
                self.responses[rpc] = GetMessageClass(method.output_type)

    def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        rpc = details.method
        if rpc in self.handlers:
            return self.handlers[rpc]
        handler = continuation(details)
        if handler is None or rpc not in self.responses:
            return handler
        answered = self.handlers[rpc] = grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(handler.unary_unary, rpc, request, context),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return answered

    def _answer(
        self, method: Method, rpc: str, request: Message, context: grpc.ServicerContext
    ) -> Message:
        metadata = {
            name: value
            for name, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        }
        asked = metadata.get("x-request-id", "")
        request_id = asked if REQUEST_ID_PATTERN.fullmatch(asked) else new_request_id()
        call = Call(rpc, request_id, metadata, context)
        begin_call(call)
        line: dict[str, Any] = {"rpc": call.rpc, "request_id": request_id, "code": "OK"}
        try:
            call.ensure_awaited()
            response = self._served(method, call, request, context)
            if call.replayed:
                line["replayed"] = True
                context.set_trailing_metadata((("idempotent-replayed", "true"),))
            return response
        except Refusal as refusal:
            line |= {"code": refusal.code.name, "reason": refusal.reason}
            _abort(context, refusal)
        except Exception as error:  # noqa: BLE001 - the caller is told only an id
            line |= {"code": "INTERNAL", **describe(error)}
            _abort(context, Refusal(f"Something went wrong; its id is {request_id}."))
        finally:
            line["account"] = call.account.name if call.account else None
            log().info("rpc", ms=round((monotonic() - call.started) * 1000, 1), **line)
            end_call()

    def _served(
        self, method: Method, call: Call, request: Message, context: grpc.ServicerContext
    ) -> Message:
        """The answer: the kept one of an idempotency key, or a new one."""
        if call.rpc not in self.open_rpcs:
            call.account = self.authenticate(call)
            if call.account:
                require_role(call.account, self.roles[call.rpc])
        if "idempotency-key" not in call.metadata:
            return method(request, context)
        check_idempotency_key(call.metadata["idempotency-key"])
        call.idempotency_key = call.metadata["idempotency-key"]
        call.fingerprint = fingerprint(call, request)
        if call.account is None:
            return method(request, context)
        if kept := self._kept(call):
            return kept
        try:
            return method(request, context)
        except Refusal as refusal:
            # A twin may have done it meanwhile: then this is its answer, not a refusal.
            if kept := self._kept(call):
                return kept
            if isinstance(refusal, KeyTaken):
                raise RuntimeError("a key was taken, and nothing is kept under it") from refusal
            raise

    def _kept(self, call: Call) -> Message | None:
        kept = self.idempotency_keys.find(self.database, call, self.responses[call.rpc])
        call.replayed = kept is not None
        return kept


def role_of(service: ServiceDescriptor) -> str:
    """Return the role that a service's callers need: its option `optigate.v1.role`."""
    option: Any = service.file.pool.FindExtensionByName("optigate.v1.role")
    number: int = service.GetOptions().Extensions[option]
    try:
        return {1: CLIENT, 2: STAFF}[number]
    except KeyError:
        raise LookupError(f"{service.full_name} has no option optigate.v1.role") from None


def _abort(context: grpc.ServicerContext, refusal: Refusal) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(encode(refusal)))


@dataclass
class RunningServer:
    """A server that accepts calls."""

    server: grpc.Server
    health: HealthServicer
    port: int
    database: Database
    pool: ThreadPoolExecutor

    def stop(self, grace: float = 10) -> None:
        """Refuse new calls, let those at work finish within `grace` seconds."""
        self.health.enter_graceful_shutdown()
        if grace:
            sleep(DRAIN_SECONDS)
        self.server.stop(grace).wait()
        self.pool.shutdown()
        self.database.close()


def start_server(
    servicers: Iterable[object],
    *,
    database: Database,
    idempotency_keys: IdempotencyKeys,
    authenticate: Authenticate,
    open_rpcs: Iterable[str] = (),
    max_request_bytes: int = MAX_REQUEST_BYTES,
    listen: str,
) -> RunningServer:
    """Serve on `listen` ("host:port", port 0 for any); raises when the port is taken.

    A servicer is an instance of a generated class, or of several. `open_rpcs` need no account:
    "OrderService/CreateToken", or "DoorService" for all of a service. A request of more than
    `max_request_bytes` is refused unread (RESOURCE_EXHAUSTED).
    """
    registrations = [each for servicer in servicers for each in _registrations(servicer)]
    services = [descriptor for _, _, descriptor in registrations]
    interceptor = CallInterceptor(
        database, idempotency_keys, authenticate, services, full_rpc_names(services, open_rpcs)
    )
    pool = ThreadPoolExecutor(THREADS[database.is_sqlite], thread_name_prefix="rpc")
    server = grpc.server(
        pool,
        interceptors=[interceptor],
        options=[*GRPC_OPTIONS, ("grpc.max_receive_message_length", max_request_bytes)],
        maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS,
    )
    for servicer, register, _ in registrations:
        register(servicer, server)
    health = HealthServicer()
    health.register(server)
    names = [service.full_name for service in services]
    reflection.enable_server_reflection([*names, SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = server.add_insecure_port(listen)
    server.start()
    for name in ("", *names):
        health.set(name, HealthCheckResponse.SERVING)
    return RunningServer(server, health, port, database, pool)


def _registrations(servicer: Any) -> Iterator[Registration]:
    """The generated services that a servicer implements, by the classes that it inherits."""
    if isinstance(servicer, tuple):
        yield servicer
        return
    for base in type(servicer).__mro__:
        if base.__module__.endswith("_pb2_grpc"):
            name = base.__name__.removesuffix("Servicer")
            generated = import_module(base.__module__)
            messages = import_module(base.__module__.removesuffix("_grpc"))
            register = getattr(generated, f"add_{base.__name__}_to_server")
            yield servicer, register, messages.DESCRIPTOR.services_by_name[name]


def full_rpc_names(services: Iterable[ServiceDescriptor], rpcs: Iterable[str]) -> frozenset[str]:
    """The full names of RPCs: "OrderService/CreateToken", or "DoorService" for each of its RPCs.

    Raises LookupError for one that no service has.
    """
    names: dict[str, set[str]] = {}
    for service in services:
        for method in service.methods:
            full = f"/{service.full_name}/{method.name}"
            for short in (service.name, f"{service.name}/{method.name}", full):
                names.setdefault(short, set()).add(full)
    if unknown := sorted(set(rpcs) - names.keys()):
        raise LookupError(f"no service has these RPCs: {', '.join(unknown)}")
    return frozenset(full for rpc in rpcs for full in names[rpc])


def catch_stop_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, from now on."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def wait_until_stopped(
    stopped: threading.Event,
    database: Database,
    *cleanups: Callable[[Connection, datetime], object],
) -> None:
    """Wait for a signal; meanwhile delete what has expired, now and once an hour."""

    def clean() -> None:
        with database.write() as tx:
            for delete_expired in cleanups:
                delete_expired(tx, datetime.now(UTC))

    with BackgroundLoop("cleanup", clean, CLEANUP_SECONDS):
        stopped.wait()

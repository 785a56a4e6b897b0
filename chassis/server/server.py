"""The gRPC server that each service runs: its RPCs, health and reflection, and its end."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from math import inf
from time import monotonic, sleep
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from sqlalchemy import Connection

from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.server.accounts import Authenticate
from chassis.server.arrivals import Arrivals
from chassis.server.health import HealthServicer, ReadinessCheck
from chassis.server.idempotency import IdempotencyKeys
from chassis.server.interceptor import (
    MAX_CALLS,
    CallInterceptor,
    EndCall,
    ObserveCall,
    ignore,
)
from chassis.server.pool import CallPool
from chassis.server.tls import Certificates
from chassis.server.watchdog import Watchdog
from chassis.settings.transport import is_unix
from chassis.store.database import Database
from chassis.store.reference_cache import ReferenceCache

THREADS = 12  # more share a commit on SQLite; of still more, reads only wait for each other
# grpcio counts health and reflection too: the interceptor's own bound refuses first.
MAX_CONCURRENT_RPCS = 4 * MAX_CALLS
READINESS_SECONDS = 3.0
MAX_REQUEST_BYTES = 4 * 1024 * 1024
CLEANUP_SECONDS = 3600
SIGNAL_SECONDS = 0.5  # between two looks for a signal that another thread has taken
DRAIN_SECONDS = 1.0  # between NOT_SERVING and the first refused call, for clients to move on
OWNER_UMASK = 0o077
GRPC_OPTIONS = [
    # The gateway pings every 30 seconds; without these the server closes its connection for it.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Large HTTP headers (several of 8 KB each) must not look like an outage.
    ("grpc.max_metadata_size", 64 * 1024),
]


class ListenError(RuntimeError):
    """An address, its argument, that cannot be listened on."""


class Loop(Protocol):
    """Work beside the calls of a server."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Pool(Protocol):
    """Threads that have an end."""

    def shutdown(self) -> None: ...


Registration = tuple[Any, Callable[[Any, grpc.Server], None], ServiceDescriptor]


@dataclass(frozen=True)
class Resources:
    """What the servicers of a running service work with."""

    database: Database
    cache: ReferenceCache
    public_url: str  # of the gateway, without a slash at its end
    now: Callable[[], datetime] = utc_now


@dataclass
class RunningServer:
    """A server that accepts calls, and what it must close."""

    server: grpc.Server
    health: HealthServicer
    port: int
    database: Database
    pools: list[Pool]
    watchdog: Watchdog
    readiness: BackgroundLoop
    loops: Sequence[Loop]
    check: ReadinessCheck
    interceptor: CallInterceptor
    is_draining: bool = False

    def find_trouble(self) -> str:
        """Return why no calls are to come, by the last look at the store, or ""."""
        if self.is_draining:
            return "draining"
        return "" if self.check.is_ready else "not ready"

    def stop(self, grace: float = 10) -> None:
        """Refuse new calls and let running ones finish within `grace` seconds."""
        self.is_draining = True
        self.health.enter_graceful_shutdown()
        if grace:
            sleep(DRAIN_SECONDS)
        self.readiness.stop()
        self.server.stop(grace).wait()
        self.watchdog.stop()
        for pool in self.pools:
            pool.shutdown()
        for loop in self.loops:
            loop.stop()
        self.database.close()


def start_server(
    servicers: Iterable[object],
    *,
    database: Database,
    idempotency_keys: IdempotencyKeys,
    authenticate: Authenticate,
    open_rpcs: Iterable[str] = (),
    optimistic_rpcs: Iterable[str] = (),
    max_request_bytes: int = MAX_REQUEST_BYTES,
    reflection: bool = False,
    certificates: Certificates | None = None,
    listen: str,
    own_address: str | None = None,
    socket: str | None = None,
    end_call: EndCall = ignore,
    observe_call: ObserveCall | None = None,
    loops: Sequence[Loop] = (),
) -> RunningServer:
    """Serve on `listen` ("host:port", port 0 for any); raises ListenError when it is taken.

    With `certificates` every port speaks TLS, and only TLS; Unix sockets are plaintext always, and
    only this process's user may connect to them.

    With an `own_address` (`host:port` or `unix:path`) it serves there too, and shares `listen` with
    other processes. With a `socket` (`unix:path`) it serves there too, and shares nothing.

    A servicer is an instance of a generated class, or of several. `open_rpcs` need no account:
    "OrderService/CreateToken", or "DoorService" for all of a service. `optimistic_rpcs` find out by
    themselves that an idempotency key is taken, and raise KeyTaken: they have no effect but in the
    transaction that keeps their response. A request of more than `max_request_bytes` is refused
    unread (RESOURCE_EXHAUSTED). `end_call` runs at the end of each call, and `loops` beside them:
    they are stopped when no call runs any more. `observe_call` hears of each call that ended.
    """
    registrations = [each for servicer in servicers for each in _find_registrations(servicer)]
    services = [descriptor for _, _, descriptor in registrations]
    pool, probes = CallPool(THREADS, "rpc"), CallPool(1, "health")
    watchdog = Watchdog([pool, probes])
    health = HealthServicer(Arrivals(probes, watchdog))
    interceptor = CallInterceptor(
        database,
        idempotency_keys,
        authenticate,
        services,
        expand_rpc_names(services, open_rpcs),
        Arrivals(pool, watchdog),
        optimistic_rpcs=expand_rpc_names(services, optimistic_rpcs),
        end_call=end_call,
        observe_call=observe_call,
    )
    server = grpc.server(
        pool,
        interceptors=[interceptor],
        options=[
            *GRPC_OPTIONS,
            ("grpc.so_reuseport", int(own_address is not None)),
            ("grpc.max_receive_message_length", max_request_bytes),
        ],
        maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS,
    )
    for servicer, register, _ in registrations:
        register(servicer, server)
    health.register(server)
    names = ["", *(service.full_name for service in services)]
    pools: list[Pool] = [pool, interceptor.refusals, health.pool]
    if reflection:
        from chassis.server.reflection import enable_reflection

        pools.append(enable_reflection(server, names[1:], watchdog))
    addresses = [each for each in (listen, own_address, socket) if each]
    port, *_ = [_open(server, each, certificates) for each in addresses]
    check = ReadinessCheck(database, health, names)
    readiness = BackgroundLoop("readiness", check, READINESS_SECONDS)
    for loop in loops:  # before the first call
        loop.start()
    server.start()
    watchdog.start()
    readiness.start()
    return RunningServer(
        server, health, port, database, pools, watchdog, readiness, loops, check, interceptor
    )


def _open(server: grpc.Server, address: str, certificates: Certificates | None) -> int:
    try:
        if is_unix(address):
            with _make_files_private():
                return server.add_insecure_port(address.replace("%", "%25"))  # it is a URI
        if certificates is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, certificates.credentials())
    except RuntimeError:
        raise ListenError(address) from None


@contextmanager
def _make_files_private() -> Iterator[None]:
    """Have what is created meanwhile, by any thread, be its owner's alone."""
    before = os.umask(OWNER_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def _find_registrations(servicer: Any) -> Iterator[Registration]:
    """Yield the generated services that a servicer implements, by the classes it inherits."""
    for base in type(servicer).__mro__:
        if base.__module__.endswith("_pb2_grpc"):
            name = base.__name__.removesuffix("Servicer")
            generated = import_module(base.__module__)
            messages = import_module(base.__module__.removesuffix("_grpc"))
            register = getattr(generated, f"add_{base.__name__}_to_server")
            yield servicer, register, messages.DESCRIPTOR.services_by_name[name]


def expand_rpc_names(services: Iterable[ServiceDescriptor], rpcs: Iterable[str]) -> frozenset[str]:
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
    """Return an event that SIGTERM and SIGINT set from now on."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def wait_until_stopped(
    stopped: threading.Event,
    database: Database,
    *cleanups: Callable[[Connection, datetime], object],
    jobs: Iterable[Callable[[datetime], object]] = (),
) -> None:
    """Wait for a signal; meanwhile delete what has expired, once an hour.

    `cleanups` share a transaction; `jobs` have their own.
    """

    def clean() -> None:
        with database.write() as tx:
            for delete_expired in cleanups:
                delete_expired(tx, datetime.now(UTC))
        for job in jobs:
            job(datetime.now(UTC))

    if _wait(stopped, CLEANUP_SECONDS):
        database.drain()
        return
    with BackgroundLoop("cleanup", clean, CLEANUP_SECONDS):
        _wait(stopped, inf)
        database.drain()


def _wait(stopped: threading.Event, seconds: float) -> bool:
    """Wait for a signal in the main thread; returns whether there was one.

    Only this thread runs the handlers of signals, but the kernel may hand a signal to any thread,
    which does not end a wait of this one: it looks itself.
    """
    end = monotonic() + seconds
    while not stopped.wait(SIGNAL_SECONDS):
        if monotonic() >= end:
            return False
    return True

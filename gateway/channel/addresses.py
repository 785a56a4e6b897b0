"""One address of a service: its connection, reopened when it ends, and its breaker."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from time import monotonic

from chassis.status import Code
from gateway.channel.connection import Connection
from gateway.channel.frames import ProtocolError
from gateway.channel.resolver import Endpoint
from gateway.channel.streams import Request, Stream
from gateway.channel.tls import Session, Tls
from gateway.channel.wire import Wire

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.1, 0.5
STEADY_SECONDS = 1.0  # a connection that lasted this long is reopened at once
PROBE_SECONDS = 1.0  # between probes, and for the answer to one
STATES = ("ready", "hung", "connecting", "failing")
ALIVE_CODES = {Code.OK, Code.UNAUTHENTICATED}


@dataclass(frozen=True)
class Options:
    """Settings shared by every address of a channel."""

    tls: Tls | None = None
    keepalive_seconds: float = 30.0
    ping_seconds: float = 10.0  # for the answer to a keepalive PING
    connect_seconds: float = 3.0  # for the handshakes of TCP, TLS and HTTP/2 together
    breaker_deadlines: int = 5
    probe: str | None = None  # a method; None: no breaker


@dataclass(eq=False)
class Address:
    """One address; `changed` is called whenever `connection`, `failure` or `is_open` changes."""

    endpoint: Endpoint
    options: Options
    changed: Callable[[], None]
    connection: Connection | None = None
    failure: str = ""  # why the last attempt to connect failed; "" while one may succeed
    is_open: bool = False  # the breaker
    _deadlines: int = 0  # that passed since the last answer
    _backoff: float = FIRST_BACKOFF_SECONDS
    _random: Random = field(default_factory=Random)  # nosec B311  # jitter
    _calmed: int = 1  # factor by which the server asks for fewer PINGs
    # Looked up when they are made: in the gateway's worker they are gevent's by then.
    _lock: threading.Lock = field(default_factory=lambda: threading.Lock())
    _stopped: threading.Event = field(default_factory=lambda: threading.Event())
    _threads: set[threading.Thread] = field(default_factory=set)
    _connections: set[Connection] = field(default_factory=set)  # with those that are left

    @cached_property
    def name(self) -> str:
        """`host:port`, or `unix:path`."""
        return str(self.endpoint)

    @property
    def takes_calls(self) -> bool:
        """Whether this address accepts calls now."""
        connection = self.connection
        return connection is not None and not connection.retired and not self.is_open

    @property
    def state(self) -> str:
        """In a word of `STATES`; while it is hung the breaker is open."""
        if self.is_open:
            return "hung"
        if self.connection:
            return "ready"
        return "failing" if self.failure else "connecting"

    def start(self, delay: float = 0.0) -> None:
        """Keep a connection, in a thread of its own."""
        self._spawn(lambda: self._keep(delay))

    def leave(self) -> None:
        """Open no more connections; calls on the present one continue."""
        self._stopped.set()
        if connection := self.connection:
            connection.leave()

    def close(self) -> list[threading.Thread]:
        """Cancel all calls and close; returns the threads that end with it."""
        self._stopped.set()
        with self._lock:
            connections, threads = list(self._connections), list(self._threads)
        for connection in connections:
            connection.close()
        return threads

    def _spawn(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f"channel-{self.name}", daemon=True)
        with self._lock:
            self._threads.add(thread)
            thread.start()

    def _keep(self, delay: float) -> None:
        """Connect, retrying as often as necessary, and read until the connection ends."""
        while not self._stopped.wait(delay):
            try:
                connection = self._connect()
            except (OSError, ProtocolError, ValueError) as error:  # ValueError: of a name, by ssl
                self.failure = f"{self.name}: {error}"
                self.changed()
                delay = self._compute_backoff()
                continue
            with self._lock:
                self._connections.add(connection)
            self.connection, self.failure = connection, ""
            if self._stopped.is_set():
                connection.close()
            self.changed()
            if connection.retired:  # before it was known here
                self._retire(connection)
            connection.serve()
            self._connections.discard(connection)
            return

    def _compute_backoff(self) -> float:
        now, self._backoff = self._backoff, min(self._backoff * 2, MAX_BACKOFF_SECONDS)
        return now * self._random.uniform(0.8, 1.2)

    def _connect(self) -> Connection:
        deadline = monotonic() + self.options.connect_seconds
        made = socket.socket(self.endpoint.family, socket.SOCK_STREAM)
        try:
            is_unix = self.endpoint.family == socket.AF_UNIX
            # A Unix socket connects at once or has a full backlog, where gevent would spin.
            made.settimeout(0 if is_unix else self.options.connect_seconds)
            made.connect(self.endpoint.address)
            made.settimeout(self.options.connect_seconds)
            session = None
            if not is_unix:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if tls := self.options.tls:
                    session = Session(tls.context(), tls.hostname or self.endpoint.host)
                    session.shake_hands(made, deadline)
            wire = Wire(made, session)
        except BaseException:
            made.close()
            raise
        connection = Connection(
            wire,
            self.endpoint.authority,
            self.options.keepalive_seconds * self._calmed,
            self.options.ping_seconds,
            self._retire,
        )
        connection.open(deadline)
        return connection

    def _retire(self, connection: Connection) -> None:
        """Open the next connection while the calls on this one continue."""
        with self._lock:
            if connection is not self.connection:
                return
            self.connection = None
        if connection.told_to_calm_down:
            self._calmed *= 2
        steady = monotonic() - connection.born >= STEADY_SECONDS
        if steady:
            self._backoff = FIRST_BACKOFF_SECONDS
        if not self._stopped.is_set():
            self.start(0.0 if steady else self._compute_backoff())
        self.changed()

    # The breaker.

    def count(self, stream: Stream) -> None:
        """Record how a client's call ended here."""
        if _has_expired(stream):
            self._deadlines += 1
            if self._deadlines >= self.options.breaker_deadlines and self.options.probe:
                self._open()
        elif stream.completed and self._deadlines:
            self._mark_alive()

    def _open(self) -> None:
        with self._lock:
            if self.is_open:
                return
            self.is_open = True
        self.changed()
        self._spawn(self._probe)

    def _mark_alive(self) -> None:
        self._deadlines = 0
        if self.is_open:
            self.is_open = False
            self.changed()

    def _probe(self) -> None:
        """Send a probe once a second, without credentials, until one is answered."""
        while self.is_open and not self._stopped.wait(PROBE_SECONDS):
            connection = self.connection
            asked = Request(self.options.probe or "", b"", bytes(5), monotonic() + PROBE_SECONDS, 0)
            stream = Stream(asked)
            if connection and connection.start(stream):
                if not stream.wait():
                    connection.cancel(stream, Code.DEADLINE_EXCEEDED, "")
                if stream.completed and stream.code in ALIVE_CODES:
                    self._mark_alive()


def _has_expired(stream: Stream) -> bool:
    """Return whether a call's deadline has passed without a sign of life.

    Where a handler hangs, gRPC's server itself may answer DEADLINE_EXCEEDED, but not
    before the deadline: an earlier answer comes from the handler.
    """
    if stream.code is not Code.DEADLINE_EXCEEDED:
        return False
    return not stream.completed or monotonic() >= stream.request.deadline

"""The load: requests over a few connections, in one thread, at as little CPU time as Python allows.

Closed loop: each connection sends its next request when it has its answer.
Open loop: requests arrive at a fixed rate, whatever the server does; a latency
counts from the moment at which the request was due, so a stall is not hidden
by the requests that it kept from being sent.
"""

import itertools
import math
import select
import socket
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

clock = time.perf_counter
Address = tuple[str, int]
Answered = tuple[int, int, bytes]  # number of the request, status, body
PATIENCE = 10.0  # seconds without any answer after which the rest counts as lost
PAUSE = 0.05  # seconds between looks at the clock
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


class Wire(Protocol):
    """One connection that carries up to `depth` requests at a time."""

    depth: int

    def fileno(self) -> int:
        """What to wait for."""
        ...

    def send(self, number: int, request: bytes) -> None:
        """Send a request under a number."""
        ...

    def receive(self) -> Sequence[Answered]:
        """What has arrived whole; raises OSError when the connection is gone."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Work(Protocol):
    """What is asked, and what the answers must be."""

    expected: frozenset[int]

    def connect(self) -> Wire:
        """A new connection to the server under load."""
        ...

    def request(self, number: int) -> bytes:
        """The bytes of a request; numbers never repeat."""
        ...

    def check(self, number: int, status: int, body: bytes) -> None:
        """Take note of an answer with an expected status."""
        ...

    def broken(self) -> list[str]:
        """The promises that were broken so far."""
        ...


class Http:
    """An HTTP/1.1 connection, kept alive, one request at a time."""

    depth = 1

    def __init__(self, address: Address) -> None:
        self._socket = connected(address)
        self._number = 0
        self._rest = b""
        self.fileno = self._socket.fileno
        self.close = self._socket.close

    def send(self, number: int, request: bytes) -> None:
        self._number = number
        send_all(self._socket, request)

    def receive(self) -> Sequence[Answered]:
        data = received(self._socket)
        if self._rest:
            data = self._rest + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            self._rest = data
            return ()
        body_at = head_end + 4
        if len(data) < body_at + content_length(data[:body_at]):
            self._rest = data
            return ()
        self._rest = b""
        return ((self._number, int(data[9:12]), data[body_at:]),)


def content_length(head: bytes) -> int:
    """The length of the body after a response head."""
    head = head.lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ConnectionError("an answer without Content-Length")
    return int(head[at + 17 : head.index(b"\r\n", at + 17)])


def connected(address: Address) -> socket.socket:
    """A connection that never blocks."""
    made = socket.create_connection(address, timeout=PATIENCE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    return made


def send_all(to: socket.socket, data: bytes) -> None:
    """Send; blocks in the rare case that the kernel's buffer is full."""
    try:
        sent = to.send(data)
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        to.settimeout(PATIENCE)
        to.sendall(data[sent:])
        to.setblocking(False)


def received(of: socket.socket) -> bytes:
    """What has arrived; raises ConnectionError when the other side has closed."""
    try:
        data = of.recv(1 << 18)
    except BlockingIOError:
        return b""
    if not data:
        raise ConnectionError("closed by the server")
    return data


@dataclass
class Result:
    """What one load has shown."""

    seconds: float = 0.0  # of the measured part
    answered: int = 0  # as expected, in the measured part
    latencies: "array[float]" = field(default_factory=lambda: array("d"))  # seconds, sorted
    errors: Counter[str] = field(default_factory=Counter)
    client_cpu: float = 0.0  # seconds of this process in the measured part

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that `share` of the requests did not exceed."""
        if not self.latencies:
            return 0.0
        return self.latencies[math.ceil(len(self.latencies) * share) - 1] * 1000

    def percentiles(self) -> dict[str, float]:
        """Milliseconds by name."""
        return {name: self.percentile(share) for name, share in PERCENTILES.items()}


# No two requests of a run have the same number.
next_number = itertools.count(1).__next__


def nothing() -> None:
    """What is done at the edges of the measured part, unless told otherwise."""


@dataclass
class Load:
    """One load on one server: a warm-up, then the measured part."""

    work: Work
    connections: int
    seconds: float  # of the measured part
    rate: float | None = None  # requests a second; None: closed loop
    warmup: float = 0.0  # seconds
    requests: int | None = None  # a closed loop ends after so many
    begin: Callable[[], None] = nothing  # at the start of the measured part
    end: Callable[[], None] = nothing  # and at its end

    def run(self) -> Result:
        """Do it."""
        self.result = Result()
        self._wires: dict[int, Wire] = {}
        self._free: deque[Wire] = deque()
        self._flying: dict[int, tuple[float, Wire]] = {}  # by number: since when, and where
        self._left = -1 if self.requests is None else self.requests
        self._epoll = select.epoll()
        try:
            while len(self._free) < self.connections:
                self._open(self.connections - len(self._free))
            self._drive()
        finally:
            for wire in self._wires.values():
                wire.close()
            self._epoll.close()
        self.result.latencies = array("d", sorted(self.result.latencies))
        return self.result

    def _drive(self) -> None:
        flying = self._flying
        now = self._heard = self._due = clock()
        self._measure, self._stop = now + self.warmup, now + self.warmup + self.seconds
        self._measuring, measured = False, False
        while True:
            if not measured and now >= self._measure:
                self._begin()
                measured, now = True, clock()
            if self._measuring and (now >= self._stop or not (self._left or flying)):
                self._end(now)
            (self._send_closed if self.rate is None else self._send_open)(now)
            if not flying and (now >= self._stop or not self._left) and not self._measuring:
                return
            if (now - self._heard > PATIENCE and flying) or now - self._stop > PATIENCE:
                self._give_up(now)
                return
            self._take()
            now = clock()

    def _begin(self) -> None:
        self.begin()
        self._cpu = time.process_time()
        self._measure = self._due = clock()
        self._stop = self._measure + self.seconds
        self._measuring = True

    def _end(self, now: float) -> None:
        self.result.seconds = now - self._measure
        self.result.client_cpu = time.process_time() - self._cpu
        self.end()
        self._measuring, self._stop = False, min(self._stop, now)

    def _send_closed(self, now: float) -> None:
        """Each free place sends its next request."""
        if now >= self._stop:
            return
        while self._free and self._left:
            self._left -= 1
            self._send(clock())

    def _send_open(self, now: float) -> None:
        """What is due is sent where a place is free, late or not."""
        assert self.rate
        while self._due <= now and self._is_more_due() and self._free:
            self._send(self._due)
            self._due += 1 / self.rate
        waiting = self._is_more_due() and not self._free
        self._timeout = PAUSE if waiting else min(max(self._due - now, 0.0), PAUSE)

    def _is_more_due(self) -> bool:
        """Whether another request is due before the end; one due at the end itself is not."""
        return self.rate is not None and self._due < self._stop - 0.5 / self.rate

    def _send(self, since: float) -> None:
        wire, number = self._free.popleft(), next_number()
        if not self._flying:
            self._heard = clock()
        self._flying[number] = (since, wire)
        try:
            wire.send(number, self.work.request(number))
        except OSError:
            self._lose(wire)

    def _take(self) -> None:
        """Wait for answers and take them."""
        patience = PAUSE
        if self.rate is not None:
            # To the microsecond: epoll by itself counts in milliseconds.
            select.select((self._epoll,), (), (), self._timeout)
            patience = 0
        for descriptor, _ in self._epoll.poll(patience):
            wire = self._wires[descriptor]
            try:
                answers = wire.receive()
            except OSError:
                self._lose(wire)
                continue
            now = self._heard = clock()
            for number, status, body in answers:
                since, _ = self._flying.pop(number)
                self._free.append(wire)
                if status not in self.work.expected:
                    self.result.errors[str(status)] += 1
                    continue
                self.work.check(number, status, body)
                self.result.answered += self._measuring
                if since >= self._measure:
                    self.result.latencies.append(now - since)

    def _open(self, places: int) -> None:
        wire = self.work.connect()
        self._wires[wire.fileno()] = wire
        self._epoll.register(wire.fileno(), select.EPOLLIN)
        self._free.extend([wire] * min(places, wire.depth))

    def _lose(self, wire: Wire) -> None:
        """Count what was under way on a dead connection, and open another."""
        lost = [number for number, (_, of) in self._flying.items() if of is wire]
        for number in lost:
            del self._flying[number]
        self.result.errors["closed"] += len(lost)
        idle = sum(each is wire for each in self._free)
        for _ in range(idle):
            self._free.remove(wire)
        self._epoll.unregister(wire.fileno())
        del self._wires[wire.fileno()]
        wire.close()
        self._open(len(lost) + idle)

    def _give_up(self, now: float) -> None:
        """Count what was never answered: it took until now at least."""
        if self._measuring:
            self._end(now)
        late = [since for since, _ in self._flying.values()]
        while self.rate and self._is_more_due():
            late.append(self._due)
            self._due += 1 / self.rate
        self.result.errors["timeout"] += len(late)
        self.result.latencies.extend(now - since for since in late if since >= self._measure)

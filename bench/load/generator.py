"""The load: requests over a few connections, from one thread, at little CPU cost.

Closed loop: each connection sends its next request when it has its answer.
Open loop: requests arrive at a fixed rate, whatever the server does. A latency
counts from the moment at which the request was due, so a stall is not hidden
by the requests that it kept from being sent.
"""

import itertools
import math
import select
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bench.load.sockets import Connection

clock = time.perf_counter
PATIENCE_SECONDS = 10.0  # without any answer, after which the rest counts as lost
POLL_SECONDS = 0.05  # between looks at the clock
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


class Scenario(Protocol):
    """The requests of a load, and what their answers must be."""

    expected: frozenset[int]

    def connect(self) -> Connection:
        """Open a connection to the server under load."""
        ...

    def request(self, number: int) -> bytes:
        """Return the bytes of a request; numbers never repeat."""
        ...

    def check(self, number: int, status: int, body: bytes) -> None:
        """Check an answer that has an expected status."""
        ...

    def list_broken_promises(self) -> list[str]:
        """Return the promises broken so far."""
        ...


@dataclass
class Result:
    """The figures of one load."""

    seconds: float = 0.0  # of the measured part
    answered: int = 0  # as expected, in the measured part
    latencies: "array[float]" = field(default_factory=lambda: array("d"))  # seconds, sorted
    errors: Counter[str] = field(default_factory=Counter)
    client_cpu: float = 0.0  # seconds of this process in the measured part

    @property
    def throughput(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds that `share` of the requests did not exceed."""
        if not self.latencies:
            return 0.0
        return self.latencies[math.ceil(len(self.latencies) * share) - 1] * 1000

    def percentiles(self) -> dict[str, float]:
        """Return milliseconds by name."""
        return {name: self.percentile(share) for name, share in PERCENTILES.items()}


# No two requests of a run have the same number.
next_number = itertools.count(1).__next__


def do_nothing() -> None:
    """Do nothing: the default at the edges of the measured part."""


@dataclass
class Load:
    """One load on one server: a warm-up, then the measured part."""

    scenario: Scenario
    connections: int
    seconds: float  # of the measured part
    rate: float | None = None  # requests per second; None: closed loop
    warmup: float = 0.0  # seconds
    requests: int | None = None  # after which a closed loop ends
    begin: Callable[[], None] = do_nothing  # called at the start of the measured part
    end: Callable[[], None] = do_nothing  # and at its end

    def run(self) -> Result:
        """Run the load."""
        self.result = Result()
        self._connections: dict[int, Connection] = {}
        self._free: deque[Connection] = deque()
        self._pending: dict[int, tuple[float, Connection]] = {}  # by number: since when, where
        self._left = -1 if self.requests is None else self.requests
        self._epoll = select.epoll()
        try:
            while len(self._free) < self.connections:
                self._open(self.connections - len(self._free))
            self._drive()
        finally:
            for connection in self._connections.values():
                connection.close()
            self._epoll.close()
        self.result.latencies = array("d", sorted(self.result.latencies))
        return self.result

    def _drive(self) -> None:
        pending = self._pending
        now = self._last_answer = self._due = clock()
        self._measure, self._stop = now + self.warmup, now + self.warmup + self.seconds
        self._is_measuring, has_measured = False, False
        while True:
            if not has_measured and now >= self._measure:
                self._begin()
                has_measured, now = True, clock()
            if self._is_measuring and (now >= self._stop or not (self._left or pending)):
                self._end(now)
            (self._send_closed if self.rate is None else self._send_open)(now)
            if not pending and (now >= self._stop or not self._left) and not self._is_measuring:
                return
            is_silent = now - self._last_answer > PATIENCE_SECONDS and pending
            if is_silent or now - self._stop > PATIENCE_SECONDS:
                self._give_up(now)
                return
            self._take_answers()
            now = clock()

    def _begin(self) -> None:
        self.begin()
        self._cpu = time.process_time()
        self._measure = self._due = clock()
        self._stop = self._measure + self.seconds
        self._is_measuring = True

    def _end(self, now: float) -> None:
        self.result.seconds = now - self._measure
        self.result.client_cpu = time.process_time() - self._cpu
        self.end()
        self._is_measuring, self._stop = False, min(self._stop, now)

    def _send_closed(self, now: float) -> None:
        """Send the next request in each free place."""
        if now >= self._stop:
            return
        while self._free and self._left:
            self._left -= 1
            self._send(clock())

    def _send_open(self, now: float) -> None:
        """Send what is due, late or not, where a place is free."""
        assert self.rate
        while self._due <= now and self._is_more_due() and self._free:
            self._send(self._due)
            self._due += 1 / self.rate
        waits = self._is_more_due() and not self._free
        self._timeout = POLL_SECONDS if waits else min(max(self._due - now, 0.0), POLL_SECONDS)

    def _is_more_due(self) -> bool:
        """Return whether another request is due before the end; one due at the end is not."""
        return self.rate is not None and self._due < self._stop - 0.5 / self.rate

    def _send(self, since: float) -> None:
        connection, number = self._free.popleft(), next_number()
        if not self._pending:
            self._last_answer = clock()
        self._pending[number] = (since, connection)
        try:
            connection.send(number, self.scenario.request(number))
        except OSError:
            self._replace(connection)

    def _take_answers(self) -> None:
        """Wait for answers and count them."""
        timeout = POLL_SECONDS
        if self.rate is not None:
            # To the microsecond: epoll by itself counts in milliseconds.
            select.select((self._epoll,), (), (), self._timeout)
            timeout = 0
        for descriptor, _ in self._epoll.poll(timeout):
            connection = self._connections[descriptor]
            try:
                answers = connection.receive()
            except OSError:
                self._replace(connection)
                continue
            now = self._last_answer = clock()
            for number, status, body in answers:
                since, _ = self._pending.pop(number)
                self._free.append(connection)
                if status not in self.scenario.expected:
                    self.result.errors[str(status)] += 1
                    continue
                self.scenario.check(number, status, body)
                self.result.answered += self._is_measuring
                if since >= self._measure:
                    self.result.latencies.append(now - since)

    def _open(self, places: int) -> None:
        connection = self.scenario.connect()
        self._connections[connection.fileno()] = connection
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        self._free.extend([connection] * min(places, connection.depth))

    def _replace(self, connection: Connection) -> None:
        """Count the requests lost with a dead connection, and open another."""
        lost = [number for number, (_, used) in self._pending.items() if used is connection]
        for number in lost:
            del self._pending[number]
        self.result.errors["closed"] += len(lost)
        idle = sum(each is connection for each in self._free)
        for _ in range(idle):
            self._free.remove(connection)
        self._epoll.unregister(connection.fileno())
        del self._connections[connection.fileno()]
        connection.close()
        self._open(len(lost) + idle)

    def _give_up(self, now: float) -> None:
        """Count what was never answered: it took at least until now."""
        if self._is_measuring:
            self._end(now)
        late = [since for since, _ in self._pending.values()]
        while self.rate and self._is_more_due():
            late.append(self._due)
            self._due += 1 / self.rate
        self.result.errors["timeout"] += len(late)
        self.result.latencies.extend(now - since for since in late if since >= self._measure)

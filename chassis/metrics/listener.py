"""A small HTTP server in one thread, for scrapes and probes.

It serves many connections at once, one answer each. None is kept longer than `VISIT_SECONDS`, and
when there are too many, the oldest one goes: whoever stalls, a probe is answered.
"""

import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import NamedTuple

from chassis.telemetry import describe, log

MAX_VISITS = 64
VISIT_SECONDS = 5.0  # from the connection to the last byte of the answer
MAX_HEAD_BYTES = 16 * 1024
PLAIN = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """An answer."""

    status: int
    content_type: str
    body: bytes


Pages = Mapping[str, Callable[[], Page]]


@dataclass(eq=False)
class _Visit:
    """A connection, and how far it has come."""

    sock: socket.socket
    deadline: float
    received: bytearray = field(default_factory=bytearray)
    rest: memoryview | None = None  # of the answer


def report(error: Exception) -> None:
    """Log what a page failed with."""
    log().error("metrics failed", **describe(error))


class Listener:
    """Serves pages at an address from its making on; `start` begins to answer."""

    def __init__(
        self,
        address: tuple[str, int],
        pages: Pages,
        on_error: Callable[[Exception], None] = report,
        seconds: float = VISIT_SECONDS,
    ) -> None:
        """Take the port; raises OSError where it is taken."""
        self.pages = pages
        self._seconds = seconds
        self._on_error = on_error
        self._listening = _listen(address)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.PollSelector()  # epoll's would be shared with forked workers
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._visits: dict[_Visit, None] = {}  # the oldest first
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    @property
    def address(self) -> str:
        """Where it listens, with the port that 0 stands for."""
        host, port, *_ = self._listening.getsockname()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        """Start the thread that answers."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close everything."""
        self._wake.send(b"\0")
        self._thread.join()
        self.leave()

    def leave(self) -> None:
        """Close what this process holds of it; a forked one leaves the other's as it is."""
        for each in (self._listening, self._wake, self._woken, *(v.sock for v in self._visits)):
            each.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._find_patience()):
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listening:
                    self._accept()
                else:
                    self._advance(key.data)
            now = monotonic()
            for visit in [each for each in self._visits if each.deadline <= now]:
                self._end(visit)

    def _find_patience(self) -> float | None:
        """Return the seconds until the oldest visit has to end."""
        oldest = next(iter(self._visits), None)
        return None if oldest is None else max(oldest.deadline - monotonic(), 0)

    def _accept(self) -> None:
        try:
            sock, _ = self._listening.accept()
        except OSError:
            return  # it was gone before its turn
        sock.setblocking(False)
        if len(self._visits) >= MAX_VISITS:
            self._end(next(iter(self._visits)))
        visit = _Visit(sock, monotonic() + self._seconds)
        self._visits[visit] = None
        self._selector.register(sock, selectors.EVENT_READ, visit)

    def _advance(self, visit: _Visit) -> None:
        """Read or write as much as is possible now."""
        if visit not in self._visits:
            return  # it has ended since the selector has seen it
        try:
            if visit.rest is None:
                self._read(visit)
            else:
                visit.rest = visit.rest[visit.sock.send(visit.rest) :]
        except BlockingIOError:
            return
        except OSError:
            self._end(visit)
            return
        if visit.rest is not None and not visit.rest:
            self._end(visit)

    def _read(self, visit: _Visit) -> None:
        """Read the head of a request, and make the answer when it is whole."""
        data = visit.sock.recv(MAX_HEAD_BYTES)
        visit.received += data
        if b"\r\n\r\n" in visit.received:
            visit.rest = memoryview(self._answer(bytes(visit.received)))
            self._selector.modify(visit.sock, selectors.EVENT_WRITE, visit)
        elif not data or len(visit.received) > MAX_HEAD_BYTES:
            self._end(visit)

    def _answer(self, head: bytes) -> bytes:
        method, _, target = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        page = self._find_page(method, target.partition(" ")[0].partition("?")[0])
        lines = [
            f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}",
            f"Content-Type: {page.content_type}",
            f"Content-Length: {len(page.body)}",
            "Connection: close",
            *(["Allow: GET, HEAD"] if page.status == HTTPStatus.METHOD_NOT_ALLOWED else []),
        ]
        body = b"" if method == "HEAD" else page.body
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body

    def _find_page(self, method: str, path: str) -> Page:
        if (write := self.pages.get(path)) is None:
            told = f"There are {', '.join(self.pages)}.\n"
            return Page(HTTPStatus.NOT_FOUND, PLAIN, told.encode())
        if method not in ("GET", "HEAD"):
            return Page(HTTPStatus.METHOD_NOT_ALLOWED, PLAIN, b"Use GET.\n")
        try:
            return write()
        except Exception as error:  # noqa: BLE001 - the thread outlives it
            self._on_error(error)
            return Page(HTTPStatus.INTERNAL_SERVER_ERROR, PLAIN, b"The page failed.\n")

    def _end(self, visit: _Visit) -> None:
        del self._visits[visit]
        self._selector.unregister(visit.sock)
        with suppress(OSError):
            # A forked process may hold a copy: closing alone would not end the connection.
            visit.sock.shutdown(socket.SHUT_RDWR)
        visit.sock.close()


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of METRICS_LISTEN; raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("METRICS_LISTEN must be host:port, such as 127.0.0.1:9464.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def count_up(text: str, number: int) -> str:
    """Return the address of the worker with this number from 0 on; port 0 stays 0."""
    host, port = parse_address(text)
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port and port + number}"


def _listen(address: tuple[str, int]) -> socket.socket:
    family, kind, _, _, found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(found)
        made.listen(MAX_VISITS)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made

"""An endpoint of a partner: a real HTTP server on loopback that answers as a test wants."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[["Handler"], None]


def answer_status(code: int, **headers: str) -> Answering:
    """Answer with a status."""

    def answer(handler: "Handler") -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def redirect(code: int, location: str) -> Answering:
    """Redirect the caller."""
    return answer_status(code, Location=location)


def hang(handler: "Handler") -> None:
    """Never answer."""
    handler.receiver.closing.wait(60)


def reset(handler: "Handler") -> None:
    """Break the connection off."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
    handler.wfile = handler.rfile = None  # type: ignore[assignment]


def drip(handler: "Handler") -> None:
    """Send the head of an answer byte by byte, without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.receiver.closing.wait(0.02):
        handler.wfile.write(b"a")


def answer_endlessly(handler: "Handler") -> None:
    """Acknowledge, with a body that never ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    while not handler.receiver.closing.is_set():
        handler.wfile.write(b"a" * 65536)


def answer_nonsense(handler: "Handler") -> None:
    """Answer in another protocol."""
    handler.wfile.write(b"220 mail.example ESMTP\r\n")


@dataclass
class Receiver:
    """The received requests, and the answers: one after the other, the last one repeated."""

    url: str = ""
    answers: list[Answering] = field(default_factory=lambda: [answer_status(204)])
    at: dict[str, Answering] = field(default_factory=dict)  # by path, before the others
    received: list[Received] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ids(self) -> list[str]:
        """The ids of the events, as they came."""
        return [each.headers["webhook-id"] for each in self.received]

    def next(self, received: Received) -> Answering:
        """Note a request, and return the answer."""
        with self.lock:
            self.received.append(received)
            if received.path in self.at:
                return self.at[received.path]
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    receiver: Receiver
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Answer as the test wants."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.command, self.path, headers, body)
        self.close_connection = True
        self.receiver.next(received)(self)

    do_GET = do_POST = answer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server whose clients may disconnect at any time."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


@contextmanager
def run_receiver(tls: str = "") -> Iterator[Receiver]:
    """A receiver that listens; with TLS, if a file has a key and a certificate for it."""
    receiver = Receiver()
    handler = type("Own", (Handler,), {"receiver": receiver})
    server = Server(("127.0.0.1", 0), handler)
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    receiver.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/events"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()

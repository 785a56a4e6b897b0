"""What every connection under load shares: an address, a protocol, and non-blocking sockets."""

import socket
from collections.abc import Sequence
from typing import Protocol

Address = tuple[str, int]
Answer = tuple[int, int, bytes]  # number of the request, status, body
TIMEOUT_SECONDS = 10.0  # to connect, and for a write that the kernel's buffer has no room for
READ_BYTES = 1 << 18


class Connection(Protocol):
    """A connection that carries up to `depth` requests at a time."""

    depth: int

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        ...

    def send(self, number: int, request: bytes) -> None:
        """Send a request under a number."""
        ...

    def receive(self) -> Sequence[Answer]:
        """Return the answers that have arrived in full; raise OSError on a lost connection."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def connect(address: Address) -> socket.socket:
    """Return a connected socket that never blocks."""
    connection = socket.create_connection(address, timeout=TIMEOUT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    return connection


def send_all(connection: socket.socket, data: bytes) -> None:
    """Send all of `data`; blocks only while the kernel's buffer is full, which is rare."""
    try:
        sent = connection.send(data)
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        connection.settimeout(TIMEOUT_SECONDS)
        connection.sendall(data[sent:])
        connection.setblocking(False)


def receive_some(connection: socket.socket) -> bytes:
    """Return what has arrived; raise ConnectionError when the other side has closed."""
    try:
        data = connection.recv(READ_BYTES)
    except BlockingIOError:
        return b""
    if not data:
        raise ConnectionError("closed by the server")
    return data

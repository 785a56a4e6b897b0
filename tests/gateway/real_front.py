"""A real gunicorn with the gateway's worker, and raw sockets to it."""

import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 30.0  # what a test waits for something that must come


@dataclass
class Answer:
    """An HTTP response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Front:
    """A gunicorn that runs, and what it has written."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    output: Path
    opened: list[socket.socket] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """A new connection; it is closed with the gunicorn."""
        client = socket.create_connection(self.address, timeout=PATIENCE_SECONDS)
        self.opened.append(client)
        return client

    def get(self, path: str, client: socket.socket | None = None, **headers: str) -> Answer:
        """The answer to a GET, on a connection of its own or on the given one."""
        return self.ask(request("GET", path, b"", **headers), client)

    def ask(self, sent: bytes, client: socket.socket | None = None) -> Answer:
        """Send bytes and return the answer."""
        to = client or self.connect()
        to.sendall(sent)
        return answer(to)

    def hang_up(self) -> None:
        """Close all connections."""
        while self.opened:
            self.opened.pop().close()

    def lines(self) -> str:
        """Everything it has written."""
        return self.output.read_text()


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request; `_` in the name of a header is `-`."""
    named = {"Host": "x", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body and "Transfer-Encoding" not in named:
        named.setdefault("Content-Length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def answer(client: socket.socket, before: bytes = b"") -> Answer:
    """Read one response with a Content-Length; raises EOFError where none comes."""
    data = bytearray(before)
    while b"\r\n\r\n" not in data:
        _receive(client, data)
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = bytearray(rest)
    while len(body) < int(headers["content-length"]):
        _receive(client, body)
    return Answer(int(first.split(" ")[1]), headers, bytes(body))


def _receive(client: socket.socket, into: bytearray) -> None:
    more = client.recv(65536)
    if not more:
        raise EOFError(bytes(into))
    into += more


def has_answered(client: socket.socket, seconds: float = 0) -> bool:
    """Return whether a byte arrives within the time."""
    watch = select.poll()
    watch.register(client, select.POLLIN)
    return bool(watch.poll(seconds * 1000))


def is_closed(client: socket.socket, seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether the other side closes within the time; what it still sends is thrown away."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        client.settimeout(left)
        try:
            if not client.recv(65536):
                return True
        except TimeoutError:
            break
        except OSError:
            return True
    return False


@contextmanager
def gunicorn(
    folder: Path,
    *options: str,
    workers: int = 1,
    environ: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    stdout: int | None = None,
    **limits: Any,
) -> Iterator[Front]:
    """Start it on a free port, and end it with the block; its log is a file in the folder."""
    output = folder / "gunicorn.log"
    settings = {"connections": 100, "drain_seconds": 0, "rest_seconds": 0.2, **limits}
    command = [
        *(*prefix, sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0"),
        *("--config", "python:tests.gateway.short_conf", "--workers", str(workers)),
        *(*options, "tests.gateway.stub:create_app()"),
    ]
    environment = {**os.environ, "TEST_LIMITS": json.dumps(settings), **(environ or {})}
    with output.open("wb") as written:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=stdout or written, stderr=written
        )
    front = Front(process, ("127.0.0.1", 0), output)
    try:
        front.address = ("127.0.0.1", _find_port(front))
        yield front
    finally:
        front.hang_up()
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
            process.wait()


def _find_port(front: Front) -> int:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and front.process.poll() is None:
        if found := re.search(r"Listening at: https?://127.0.0.1:(\d+)", front.lines()):
            return int(found[1])
        time.sleep(0.02)
    raise AssertionError(front.lines())

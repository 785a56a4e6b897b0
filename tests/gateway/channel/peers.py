"""Servers for the channel: grpc's own, and one that follows a script."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from gateway.channel import frames
from gateway.channel.frames import END_HEADERS, END_STREAM, build_frame

DEAD = "127.0.0.1:1"
PATIENCE_SECONDS = 20.0  # for what must happen, on however busy a machine


class Server:
    """A grpc server whose methods take and return a BytesValue."""

    def __init__(self, listen: str = "127.0.0.1:0", **options: Any) -> None:
        self.started, self.cancelled, self.may_end = (threading.Event() for _ in range(3))
        self.calls: list[str] = []
        self.peers: set[str] = set()
        self._credentials = options.pop("credentials", None)
        packed = [(f"grpc.{name}", value) for name, value in options.items()]
        packed += [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        self._pool = ThreadPoolExecutor(16)
        self.server = grpc.server(self._pool, options=packed)
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._count(getattr(self, name.lower())),
                BytesValue.FromString,
                BytesValue.SerializeToString,
            )
            for name in ("Echo", "Fail", "Metadata", "Trailers", "Wait", "WhoAmI")
        }
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("test.Test", handlers)]
        )
        if self._credentials:
            self.port = self.server.add_secure_port(listen, self._credentials)
        else:
            self.port = self.server.add_insecure_port(listen)
        self.target = listen if listen.startswith("unix:") else f"127.0.0.1:{self.port}"
        self.server.start()

    def _count(self, method: Callable[..., BytesValue]) -> Callable[..., BytesValue]:
        def counted(request: BytesValue, context: grpc.ServicerContext) -> BytesValue:
            self.calls.append(method.__name__)
            self.peers.add(context.peer())
            return method(request, context)

        return counted

    def echo(self, request: BytesValue, context: grpc.ServicerContext) -> BytesValue:
        return request

    def fail(self, request: BytesValue, context: grpc.ServicerContext) -> BytesValue:
        """Fail as the request says: code, message, trailers, details."""
        asked = json.loads(request.value)
        trailers = [(name, value) for name, value in asked.get("trailers", ())]
        if "details" in asked:
            trailers.append(("grpc-status-details-bin", asked["details"].encode()))
        context.set_trailing_metadata(tuple(trailers))
        code = next(each for each in grpc.StatusCode if each.value[0] == asked["code"])
        context.abort(code, asked["message"])
        raise AssertionError

    def metadata(self, request: BytesValue, context: grpc.ServicerContext) -> BytesValue:
        """Return the call's metadata, without what differs between clients."""
        came = sorted(
            (key, value.hex() if isinstance(value, bytes) else value)
            for key, value in context.invocation_metadata()
            if key != "user-agent"
        )
        return BytesValue(value=json.dumps(came).encode())

    def trailers(self, request: BytesValue, context: grpc.ServicerContext) -> BytesValue:
        context.send_initial_metadata((("initial", "not for the trailers"),))
        context.set_trailing_metadata((("one", "1"), ("two-bin", b"\0\xff"), ("one", "2")))
        return request

    def wait(self, request: BytesValue, context: grpc.ServicerContext) -> BytesValue:
        """Wait until the caller has gone, or the test says go."""
        context.add_callback(self._note_end)
        self.started.set()
        self.may_end.wait(PATIENCE_SECONDS)
        return request

    def _note_end(self) -> None:
        if not self.may_end.is_set():
            self.cancelled.set()

    def whoami(self, request: BytesValue, context: grpc.ServicerContext) -> BytesValue:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "who?")
        raise AssertionError

    def stop(self, grace: float = 0) -> None:
        """Stop; running calls have `grace` seconds."""
        stopped = self.server.stop(grace)
        if not grace:
            self.may_end.set()
        assert stopped.wait(PATIENCE_SECONDS)
        self.may_end.set()
        self._pool.shutdown()


@contextmanager
def server(listen: str = "127.0.0.1:0", **options: Any) -> Iterator[Server]:
    """A grpc server that stops with the test."""
    made = Server(listen, **options)
    try:
        yield made
    finally:
        made.stop()


def literal(name: str, value: str | bytes) -> bytes:
    """A header field by hand, of up to 126 bytes each."""
    packed = value.encode() if isinstance(value, str) else value
    return b"\0" + bytes((len(name),)) + name.encode() + bytes((len(packed),)) + packed


HEAD = b"\x88" + literal("content-type", "application/grpc")
OK = literal("grpc-status", "0")


def message(value: bytes) -> bytes:
    """A BytesValue as the body of an answer."""
    packed = BytesValue(value=value).SerializeToString()
    return b"\0" + len(packed).to_bytes(4) + packed


class Link:
    """A peer's end of one connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(PATIENCE_SECONDS)
        self._rest = b""
        self._found: list[frames.Frame] = []

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += (part := self.socket.recv(size - len(data)))
            if not part:
                raise ConnectionError("closed by the channel")
        return data

    def greet(self, settings: dict[int, int] | None = None) -> None:
        """Take the preface, send settings."""
        assert self.exactly(len(frames.PREFACE)) == frames.PREFACE
        self.send(frames.build_settings_frame(settings or {}))

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def frame(self) -> frames.Frame:
        """The next frame."""
        while not self._found:
            if not (data := self.socket.recv(65_536)):
                raise ConnectionError("closed by the channel")
            self._found, self._rest = frames.split(self._rest + data)
        return self._found.pop(0)

    def next(self, kind: int) -> frames.Frame:
        """The next frame of a kind, whatever comes before it."""
        while (found := self.frame())[0] != kind:
            pass
        return found

    def request(self) -> tuple[int, bytes]:
        """The number and the header block of the next request that came in full."""
        _, flags, number, block = self.next(frames.HEADERS)
        while not flags & frames.END_HEADERS:
            _, flags, _, part = self.frame()
            block += part
        while True:
            kind, flags, of, _ = self.frame()
            if kind == frames.DATA and of == number and flags & frames.END_STREAM:
                return number, block

    def answer(self, number: int, value: bytes = b"", trailers: bytes = OK) -> None:
        """A whole answer."""
        self.send(
            frames.build_header_frames(number, HEAD),
            frames.build_data_frames(number, message(value), last=False),
            frames.build_frame(
                frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number, trailers
            ),
        )

    def drain(self) -> None:
        """Read until the channel closes."""
        with suppress(OSError):
            while self.socket.recv(65_536):
                pass


Script = Callable[[Link], None]


class Peer:
    """A listener that hands each connection to the next script; the last serves all others."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.links = 0
        self.broken: list[BaseException] = []
        self._open: list[socket.socket] = []
        self._closed = False
        self._threads: list[threading.Thread] = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            if self._closed:
                connected.close()
                return
            script = self._scripts[min(self.links, len(self._scripts) - 1)]
            self.links += 1
            self._open.append(connected)
            self._threads.append(threading.Thread(target=self._serve, args=(connected, script)))
            self._threads[-1].start()

    def _serve(self, connected: socket.socket, script: Script) -> None:
        try:
            with connected:
                script(Link(connected))
        except OSError:
            pass  # the channel has gone, which tests see on its side
        except BaseException as error:
            self.broken.append(error)
            raise

    def close(self) -> None:
        """Close it; assertion errors of scripts are raised here."""
        self._closed = True
        with suppress(OSError):
            socket.create_connection(self.listener.getsockname(), 1).close()
        self.listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        if self.broken:
            raise self.broken[0]


@contextmanager
def peer(*scripts: Script) -> Iterator[Peer]:
    """A scripted peer that ends with the test."""
    made = Peer(*scripts)
    try:
        yield made
    finally:
        made.close()


def echo(link: Link) -> None:
    """A well-behaved script: it answers each call with nothing."""
    link.greet()
    while True:
        number, _ = link.request()
        link.answer(number)


LAST = END_HEADERS | END_STREAM
Attack = Callable[[Link, int], None]


def attacked(attack: Attack, settings: dict[int, int] | None = None) -> Script:
    """A peer that answers its first call with an attack, then reads until the channel closes."""

    def script(link: Link) -> None:
        link.greet(settings)
        number, _ = link.request()
        attack(link, number)
        link.drain()

    return script


def sends(*parts: bytes | Callable[[int], bytes]) -> Attack:
    """An attack that sends frames; what depends on the stream's number is made of it."""

    def attack(link: Link, number: int) -> None:
        link.send(*(part if isinstance(part, bytes) else part(number) for part in parts))

    return attack


def head(number: int) -> bytes:
    return build_frame(frames.HEADERS, END_HEADERS, number, HEAD)


def headers(block: bytes, flags: int = LAST) -> Callable[[int], bytes]:
    return lambda number: build_frame(frames.HEADERS, flags, number, block)


def data(body: bytes, flags: int = 0) -> Callable[[int], bytes]:
    return lambda number: build_frame(frames.DATA, flags, number, body)


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)

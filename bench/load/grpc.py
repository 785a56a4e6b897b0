"""A gRPC connection for load: many unary calls at a time, in frames made by hand.

A client of the grpc package spends as much CPU time on a call as the server;
on the same two cores it would measure itself. This one knows just enough of
HTTP/2 (RFC 9113) and its header compression (RFC 7541) for unary calls.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from bench.load.generator import Address, Answered, connected, received, send_all

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
STATUS = b"\x0bgrpc-status"  # a name follows its length
LOST = -1  # the status of a call that was cut off

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_TABLE, WIDE_WINDOW = b"\0\1" + bytes(4), b"\0\4\x7f\xff\xff\xff"
WINDOW_AT_START, WIDEST = 65_535, 2**31 - 1
LARGEST = 16_384  # bytes of a frame's payload


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame."""
    head = len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4)
    return head + payload


class Grpc:
    """A connection on which one RPC is called, `depth` times at once at most."""

    def __init__(
        self, address: Address, rpc: str, metadata: Mapping[str, str], depth: int = 8
    ) -> None:
        self.depth = depth
        self._socket = connected(address)
        self.fileno = self._socket.fileno
        self.close = self._socket.close
        fields = {
            ":path": rpc,
            ":authority": f"{address[0]}:{address[1]}",
            "te": "trailers",
            "content-type": "application/grpc",
            "grpc-timeout": "10S",
            **metadata,
        }
        # The first request teaches the server the fields, the others name them by index.
        self._first = b"\x83\x86" + b"".join(map(_field, fields, fields.values()))
        self._others = b"\x83\x86" + bytes(
            0x80 | 62 + index for index in reversed(range(len(fields)))
        )
        self._stream = -1
        self._numbers: dict[int, int] = {}
        self._bodies: dict[int, bytes] = {}
        self._rest = b""
        self._window = WINDOW_AT_START  # bytes that the server takes at the moment
        self._waiting: deque[tuple[bytes, int]] = deque()
        # Without a table, the server writes each block of headers in full: no state to keep.
        opening = frame(SETTINGS, 0, 0, NO_TABLE + WIDE_WINDOW)
        grant = (WIDEST - WINDOW_AT_START).to_bytes(4)
        send_all(self._socket, PREFACE + opening + frame(WINDOW, 0, 0, grant))

    def send(self, number: int, request: bytes) -> None:
        self._stream += 2
        stream, size = self._stream, len(request) + 5
        self._numbers[stream] = number
        block = self._others if stream > 1 else self._first
        message = b"\0" + len(request).to_bytes(4) + request
        call = frame(HEADERS, END_HEADERS, stream, block)
        for at in range(0, size, LARGEST):
            last = END_STREAM if at + LARGEST >= size else 0
            call += frame(DATA, last, stream, message[at : at + LARGEST])
        if self._waiting or self._window < size:
            self._waiting.append((call, size))
            return
        self._window -= size
        send_all(self._socket, call)

    def receive(self) -> Sequence[Answered]:
        data = self._rest + received(self._socket)
        answers: list[Answered] = []
        at, have = 0, len(data)
        while have - at >= 9:
            size = int.from_bytes(data[at : at + 3])
            if have - at < 9 + size:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9])
            payload = data[at + 9 : at + 9 + size]
            at += 9 + size
            if kind == DATA:
                self._bodies[stream] = self._bodies.get(stream, b"") + payload
            elif kind not in (HEADERS, RESET):
                self._manage(kind, flags, stream, payload)
            ends = kind == RESET or (kind in (DATA, HEADERS) and flags & END_STREAM)
            if ends and stream in self._numbers:  # else a reset of what has ended
                code = status(payload) if kind == HEADERS else LOST
                body = self._bodies.pop(stream, b"")[5:]
                answers.append((self._numbers.pop(stream), code, body))
        self._rest = data[at:]
        return answers

    def _manage(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == GOAWAY:
            raise ConnectionError("the server goes away")
        if kind in (SETTINGS, PING) and not flags & ACK:
            send_all(self._socket, frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == WINDOW and stream == 0:
            self._window += int.from_bytes(payload)
            while self._waiting and self._window >= self._waiting[0][1]:
                call, size = self._waiting.popleft()
                self._window -= size
                send_all(self._socket, call)


def _field(name: str, value: str) -> bytes:
    """A header field that the receiver remembers."""
    return b"\x40" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    size = len(text)
    if size < 127:
        return bytes((size,)) + text.encode("ascii")
    packed, size = b"\x7f", size - 127
    while size >= 128:
        packed += bytes((size & 127 | 128,))
        size >>= 7
    return packed + bytes((size,)) + text.encode("ascii")


def status(block: bytes) -> int:
    """The gRPC status in the last headers of an answer; grpc writes them without Huffman codes."""
    at = block.find(STATUS) + len(STATUS)
    if at < len(STATUS):
        return LOST
    return int(block[at + 1 : at + 1 + block[at]])

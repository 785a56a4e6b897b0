"""A gRPC connection for load: many unary calls at a time, in frames made by hand.

A client of the grpc package spends as much CPU time on a call as the server;
on the same two cores it would measure itself.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from bench.load.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEAD_BYTES,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_BYTES,
    MAX_FRAME_BYTES,
    PING,
    POST_OVER_HTTP,
    RESET,
    SETTINGS,
    WINDOW_UPDATE,
    build_frame,
    build_opening,
    encode_indexed_fields,
    encode_literal_fields,
    encode_remembered_fields,
)
from bench.load.sockets import Address, Answer, connect, receive_some, send_all

STATUS_FIELD = b"\x0bgrpc-status"  # a name follows its length
LOST_STREAM = -1  # the status of a call that was cut off
_BLOCK_LENGTH_BYTES = 2


def pack_call(message: bytes, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a request for `GrpcConnection.send`: the call's own metadata, and its message."""
    block = encode_literal_fields(metadata or {})
    return len(block).to_bytes(_BLOCK_LENGTH_BYTES) + block + message


class GrpcConnection:
    """A connection on which one RPC is called, at most `depth` times at once."""

    def __init__(
        self, address: Address, rpc: str, metadata: Mapping[str, str], depth: int = 8
    ) -> None:
        self.depth = depth
        self._socket = connect(address)
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
        # The first call teaches the server the fields; later calls refer to them by index.
        self._first = POST_OVER_HTTP + encode_remembered_fields(fields)
        self._later = POST_OVER_HTTP + encode_indexed_fields(len(fields))
        self._stream = -1
        self._numbers: dict[int, int] = {}
        self._bodies: dict[int, bytes] = {}
        self._rest = b""
        self._window = INITIAL_WINDOW_BYTES  # that the server accepts at the moment
        self._waiting: deque[tuple[bytes, int]] = deque()
        send_all(self._socket, build_opening())

    def send(self, number: int, request: bytes) -> None:
        """Send a call that `pack_call` has made, or queue it until the server's window allows."""
        message_at = _BLOCK_LENGTH_BYTES + int.from_bytes(request[:_BLOCK_LENGTH_BYTES])
        own, message = request[_BLOCK_LENGTH_BYTES:message_at], request[message_at:]
        self._stream += 2
        stream, size = self._stream, len(message) + 5
        self._numbers[stream] = number
        block = (self._later if stream > 1 else self._first) + own
        body = b"\0" + len(message).to_bytes(4) + message
        call = build_frame(HEADERS, END_HEADERS, stream, block)
        for at in range(0, size, MAX_FRAME_BYTES):
            last = END_STREAM if at + MAX_FRAME_BYTES >= size else 0
            call += build_frame(DATA, last, stream, body[at : at + MAX_FRAME_BYTES])
        if self._waiting or self._window < size:
            self._waiting.append((call, size))
            return
        self._window -= size
        send_all(self._socket, call)

    def receive(self) -> Sequence[Answer]:
        """Return the calls that have ended."""
        data = self._rest + receive_some(self._socket)
        answers: list[Answer] = []
        at, available = 0, len(data)
        while available - at >= FRAME_HEAD_BYTES:
            size = int.from_bytes(data[at : at + 3])
            if available - at < FRAME_HEAD_BYTES + size:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9])
            payload = data[at + FRAME_HEAD_BYTES : at + FRAME_HEAD_BYTES + size]
            at += FRAME_HEAD_BYTES + size
            if kind == DATA:
                self._bodies[stream] = self._bodies.get(stream, b"") + payload
            elif kind not in (HEADERS, RESET):
                self._manage(kind, flags, stream, payload)
            ends = kind == RESET or (kind in (DATA, HEADERS) and flags & END_STREAM)
            if ends and stream in self._numbers:  # else the reset of a call that has ended
                code = read_status(payload) if kind == HEADERS else LOST_STREAM
                body = self._bodies.pop(stream, b"")[5:]
                answers.append((self._numbers.pop(stream), code, body))
        self._rest = data[at:]
        return answers

    def _manage(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Handle a frame that belongs to the connection."""
        if kind == GOAWAY:
            raise ConnectionError("the server goes away")
        if kind in (SETTINGS, PING) and not flags & ACK:
            send_all(self._socket, build_frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload)
            while self._waiting and self._window >= self._waiting[0][1]:
                call, size = self._waiting.popleft()
                self._window -= size
                send_all(self._socket, call)


def read_status(block: bytes) -> int:
    """Return the gRPC status in a header block; grpc writes it without Huffman codes."""
    at = block.find(STATUS_FIELD) + len(STATUS_FIELD)
    if at < len(STATUS_FIELD):
        return LOST_STREAM
    return int(block[at + 1 : at + 1 + block[at]])

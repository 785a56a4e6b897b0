"""One attempt at an RPC: its request, its response and its outcome."""

import threading
from time import monotonic
from typing import NamedTuple

from chassis.status import Code
from gateway.channel import frames
from gateway.channel.headers import Headers, Metadata

PREFIX_BYTES = 5  # before a message: whether it is compressed, and its length
_BY_NUMBER = {str(code.value): code for code in Code}
_OF_HTTP = {
    "400": Code.INTERNAL,
    "401": Code.UNAUTHENTICATED,
    "403": Code.PERMISSION_DENIED,
    "404": Code.UNIMPLEMENTED,
    **dict.fromkeys(("429", "502", "503", "504"), Code.UNAVAILABLE),
}
_OF_RESET = {
    frames.REFUSED_STREAM: Code.UNAVAILABLE,
    frames.CANCEL: Code.CANCELLED,
    frames.ENHANCE_YOUR_CALM: Code.RESOURCE_EXHAUSTED,
    frames.INADEQUATE_SECURITY: Code.PERMISSION_DENIED,
}


class Request(NamedTuple):
    """A caller's request, ready to be sent; each attempt sends the same bytes."""

    method: str  # "/package.Service/Method"
    metadata: bytes  # as a header block
    message: bytes  # with its prefix
    deadline: float  # on the monotonic clock
    max_receive_bytes: int


class Stream:
    """An attempt, filled by the connection's reader while its caller waits.

    Whoever removes it from its connection ends it, so it ends once. `unprocessed`
    means that the server cannot have processed it; `completed` that it answered in full.
    """

    __slots__ = (
        "_chunks", "_ended", "_expected", "_size", "code", "completed", "details", "headed",
        "message", "metadata", "number", "request", "unprocessed", "unsent", "window",
    )  # fmt: skip

    def __init__(self, request: Request) -> None:
        self.request = request
        self.number = 0  # 0 until it is started
        self.unsent: bytes | memoryview = b""  # what the flow-control windows hold back
        self.window = 0  # bytes that this stream may send
        self.code = Code.OK
        self.message = ""
        self.details: bytes | None = None
        self.metadata: Metadata = ()
        self.unprocessed = self.completed = False
        self._chunks: list[bytes] = []
        self._size, self._expected = 0, -1
        self.headed = False  # whether the headers of the answer itself have come
        self._ended = threading.Lock()
        self._ended.acquire()

    def wait(self) -> bool:
        """Whether it has ended before its deadline."""
        return self._ended.acquire(timeout=max(self.request.deadline - monotonic(), 0))

    def body(self) -> bytes:
        """The message of the answer."""
        whole = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        return whole[PREFIX_BYTES:]

    def take_headers(self, headers: Headers, *, last: bool) -> bool:
        """Take a header block; returns whether the attempt has ended."""
        if headers.status.startswith("1") and not last and not self.headed:
            return False
        if last and headers.grpc_status is not None:
            self._complete(headers)
            return self.end()
        wrong = headers.status != "200" or not headers.content_type.startswith("application/grpc")
        if last or self.headed or wrong:
            return self._end_unlike_grpc(headers)
        self.headed = True
        return False

    def take_data(self, data: bytes, *, last: bool) -> bool:
        """Take a part of the body; returns whether the attempt has ended."""
        if not self.headed:
            return self.end(Code.INTERNAL, "The server sent a message before its headers.")
        if data:
            self._chunks.append(data)
            self._size += len(data)
            if self._expected < 0 and self._size >= PREFIX_BYTES and self._read_prefix():
                return True
            if 0 <= self._expected < self._size:
                return self.end(Code.INTERNAL, "The server sent more than one message.")
        if last:
            return self.end(Code.INTERNAL, "The server ended the answer without a status.")
        return False

    def _read_prefix(self) -> bool:
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        head = self._chunks[0]
        if head[0]:
            return self.end(Code.INTERNAL, "The server sent a compressed message.")
        size = int.from_bytes(head[1:PREFIX_BYTES])
        if size > self.request.max_receive_bytes:
            text = f"The message of {size} bytes is over {self.request.max_receive_bytes}."
            return self.end(Code.RESOURCE_EXHAUSTED, text)
        self._expected = PREFIX_BYTES + size
        return False

    def _complete(self, headers: Headers) -> None:
        self.completed = True
        self.metadata, self.details = headers.metadata, headers.details
        self.code = _BY_NUMBER.get(headers.grpc_status or "", Code.UNKNOWN)
        self.message = headers.message
        if self.code is Code.OK and self._expected != self._size:
            self.code = Code.INTERNAL
            self.message = "The server answered OK without a whole message."

    def _end_unlike_grpc(self, headers: Headers) -> bool:
        self.metadata = headers.metadata
        code = _OF_HTTP.get(headers.status, Code.UNKNOWN)
        kind = headers.content_type or "nothing"
        return self.end(code, f"The answer is not gRPC: HTTP {headers.status or '?'}, {kind}.")

    def take_reset(self, error: int) -> None:
        """End it as the server's RST_STREAM says."""
        if error == frames.CANCEL and monotonic() >= self.request.deadline:
            self.expire()
            return
        self.unprocessed = error == frames.REFUSED_STREAM
        self.end(_OF_RESET.get(error, Code.INTERNAL), f"The server reset the call, error {error}.")

    def expire(self) -> None:
        """End it because its deadline has passed."""
        self.end(Code.DEADLINE_EXCEEDED, "The deadline has passed.")

    def end(self, code: Code | None = None, message: str = "") -> bool:
        """End the attempt and wake its caller; returns True."""
        if code is not None:
            self.code, self.message = code, message
        self._ended.release()
        return True

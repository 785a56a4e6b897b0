"""A kept-alive HTTP/1.1 connection for load: one request at a time."""

from collections.abc import Sequence

from bench.load.sockets import Address, Answer, connect, receive_some, send_all

HEAD_END = b"\r\n\r\n"
LENGTH_FIELD = b"\r\ncontent-length:"


class HttpConnection:
    """An HTTP/1.1 connection; its answers must have a Content-Length."""

    depth = 1

    def __init__(self, address: Address) -> None:
        self._socket = connect(address)
        self._number = 0
        self._rest = b""
        self.fileno = self._socket.fileno
        self.close = self._socket.close

    def send(self, number: int, request: bytes) -> None:
        """Send a whole request."""
        self._number = number
        send_all(self._socket, request)

    def receive(self) -> Sequence[Answer]:
        """Return the answer once it has arrived in full."""
        data = receive_some(self._socket)
        if self._rest:
            data = self._rest + data
        head_end = data.find(HEAD_END)
        if head_end < 0:
            self._rest = data
            return ()
        body_at = head_end + len(HEAD_END)
        if len(data) < body_at + read_content_length(data[:body_at]):
            self._rest = data
            return ()
        self._rest = b""
        return ((self._number, int(data[9:12]), data[body_at:]),)


def read_content_length(head: bytes) -> int:
    """Return the length of the body after a response head."""
    head = head.lower()
    at = head.find(LENGTH_FIELD)
    if at < 0:
        raise ConnectionError("an answer without Content-Length")
    at += len(LENGTH_FIELD)
    return int(head[at : head.index(b"\r\n", at)])

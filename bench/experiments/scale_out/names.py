"""A name server of a few lines: the addresses of each service, as a headless Service has them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TYPE_A, CLASS_IN = 1, 1
ANSWER, NO_SUCH_NAME = 0x8580, 0x8583  # authoritative, recursion available
POINTER_TO_QUESTION = b"\xc0\x0c"
HEAD_BYTES = 12


class NameServer:
    """What it answers; `addresses` by name may change at any time, answers are never cached."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        """Where it is asked, over UDP."""
        return int(self.socket.getsockname()[1])

    def serve(self) -> None:
        """Answer until the socket is shut."""
        while True:
            try:
                query, client = self.socket.recvfrom(512)
            except OSError:
                return
            if not query:
                return
            self.socket.sendto(self.answer(query), client)

    def answer(self, query: bytes) -> bytes:
        """Return the answer to a query with one question."""
        labels, at = [], HEAD_BYTES
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace"))
            at += 1 + length
        question = query[HEAD_BYTES : at + 5]
        kind = int.from_bytes(query[at + 1 : at + 3])
        found = self.addresses.get(".".join(labels).lower())
        records = found if found and kind == TYPE_A else []
        flags = NO_SUCH_NAME if found is None else ANSWER
        counts = [flags, 1, len(records), 0, 0]
        head = query[:2] + b"".join(each.to_bytes(2) for each in counts)
        return head + question + b"".join(map(_build_record, records))


def _build_record(address: str) -> bytes:
    kind = TYPE_A.to_bytes(2) + CLASS_IN.to_bytes(2)
    return POINTER_TO_QUESTION + kind + bytes(4) + (4).to_bytes(2) + socket.inet_aton(address)


@contextmanager
def run_name_server() -> Iterator[NameServer]:
    """Yield a name server that is asked on loopback."""
    server = NameServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", server.port))
        thread.join()
        server.socket.close()

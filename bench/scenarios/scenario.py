"""Kinds of requests under load, over HTTP and gRPC, and the promises checked meanwhile.

Every answer is checked: ids are unique, and a document read twice is the same.
"""

from collections.abc import Mapping, Sequence

from bench.load.grpc import GrpcConnection, pack_call
from bench.load.http1 import HttpConnection
from bench.load.sockets import Address, Connection
from bench.scenarios.bodies import PLACEHOLDER

CALLS_PER_CONNECTION = 8  # at a time, over gRPC


class HttpScenario:
    """HTTP requests, sent in turn, that must be answered with one status."""

    def __init__(
        self, address: Address, requests: bytes | Sequence[bytes], expected_status: int
    ) -> None:
        self.address = address
        self.requests = [requests] if isinstance(requests, bytes) else list(requests)
        self.expected = frozenset({expected_status})

    def connect(self) -> Connection:
        """Open a connection to the server under load."""
        return HttpConnection(self.address)

    def request(self, number: int) -> bytes:
        """Return a request; a placeholder in it becomes its number."""
        request = self.requests[number % len(self.requests)]
        return request.replace(PLACEHOLDER, b"%032d" % number)

    def check(self, number: int, status: int, body: bytes) -> None:
        """Accept any answer."""

    def list_broken_promises(self) -> list[str]:
        """Return none: none were made."""
        return []


class GrpcScenario(HttpScenario):
    """The same over gRPC: requests are packed calls, the status is a gRPC code."""

    def __init__(
        self,
        address: Address | Sequence[Address],
        rpc: str,
        metadata: Mapping[str, str],
        messages: bytes | Sequence[bytes],
        own_metadata: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Call `rpc` with `messages` in turn, each with its entry of `own_metadata`, if any.

        Connections to several addresses are opened in turn.
        """
        self.addresses = [address] if isinstance(address, tuple) else list(address)
        every = [messages] if isinstance(messages, bytes) else messages
        own = own_metadata or [{}] * len(every)
        calls = [pack_call(each, lower_names(of)) for each, of in zip(every, own, strict=True)]
        super().__init__(self.addresses[0], calls, 0)
        self.rpc, self.metadata = rpc, lower_names(metadata)
        self._opened = 0

    def connect(self) -> Connection:
        """Open a connection to the next address."""
        address = self.addresses[self._opened % len(self.addresses)]
        self._opened += 1
        return GrpcConnection(address, self.rpc, self.metadata, CALLS_PER_CONNECTION)


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    """Return HTTP headers as gRPC metadata."""
    return {name.lower(): value for name, value in headers.items()}


class CreateOverHttp(HttpScenario):
    """Each request creates something: no two answers are the same."""

    def __init__(
        self, address: Address, requests: bytes | Sequence[bytes], expected_status: int = 201
    ) -> None:
        super().__init__(address, requests, expected_status)
        self.answers: list[bytes] = []

    def check(self, number: int, status: int, body: bytes) -> None:
        """Keep the answer."""
        self.answers.append(body)

    def list_broken_promises(self) -> list[str]:
        """Return how many answers were duplicates."""
        duplicates = len(self.answers) - len(set(self.answers))
        return [f"{duplicates} ids were assigned twice"] if duplicates else []


class ReadOverHttp(HttpScenario):
    """One thing is read again and again: its document stays the same."""

    def __init__(
        self, address: Address, requests: bytes | Sequence[bytes], expected_status: int = 200
    ) -> None:
        super().__init__(address, requests, expected_status)
        self.first = b""
        self.different = 0
        self.fields: set[str] = set()  # of the document, by path

    def check(self, number: int, status: int, body: bytes) -> None:
        """Compare the answer with the first one."""
        if body != self.first:
            self.different += bool(self.first)
            self.first = self.first or body

    def list_broken_promises(self) -> list[str]:
        """Return how many answers differed."""
        return [f"{self.different} reads differed"] if self.different else []


class CreateOverGrpc(GrpcScenario, CreateOverHttp):
    """Creation over gRPC."""

    def __init__(
        self,
        address: Address | Sequence[Address],
        rpc: str,
        metadata: Mapping[str, str],
        messages: bytes | Sequence[bytes],
        own_metadata: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(address, rpc, metadata, messages, own_metadata)


class ReadOverGrpc(GrpcScenario, ReadOverHttp):
    """Reading over gRPC."""

    def __init__(
        self, address: Address, rpc: str, metadata: Mapping[str, str], messages: bytes
    ) -> None:
        super().__init__(address, rpc, metadata, messages)

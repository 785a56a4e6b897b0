"""Three clients with one interface: grpc's, the channel on threads, the channel in gunicorn."""

import base64
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from chassis.status import Code
from gateway.channel import Channel, Refused, RpcError, Tls

Metadata = tuple[tuple[str, str | bytes], ...]
CALL_SECONDS = 20.0


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    code: Code
    message: str = ""
    value: bytes = b""
    metadata: Metadata = ()
    details: bytes | None = None
    refused: bool = False

    def __bool__(self) -> bool:
        return self.code is Code.OK


class Caller(Protocol):
    """A client of one target."""

    def call(
        self,
        method: str,
        value: bytes = b"",
        timeout: float = CALL_SECONDS,
        metadata: Metadata = (),
        repeatable: bool = False,
    ) -> Outcome:
        """Call a method that takes and returns a BytesValue."""
        ...

    def states(self) -> dict[str, str]:
        """The addresses' states."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Referee:
    """grpc's own client."""

    def __init__(self, target: str, **options: Any) -> None:
        sizes = [("grpc.max_receive_message_length", 64 * 2**20)]
        self._channel = grpc.insecure_channel(target, sizes)

    def call(
        self,
        method: str,
        value: bytes = b"",
        timeout: float = CALL_SECONDS,
        metadata: Metadata = (),
        repeatable: bool = False,
    ) -> Outcome:
        rpc = self._channel.unary_unary(
            f"/test.Test/{method}", BytesValue.SerializeToString, BytesValue.FromString
        )
        try:
            answer, call = rpc.with_call(BytesValue(value=value), timeout, metadata)
        except grpc.RpcError as failed:
            error: Any = failed
            trailers = tuple((key, value) for key, value in error.trailing_metadata() or ())
            details = dict(trailers).get("grpc-status-details-bin")
            code = Code(error.code().value[0])
            return Outcome(code, error.details() or "", b"", trailers, details)
        trailers = tuple((key, value) for key, value in call.trailing_metadata() or ())
        return Outcome(Code.OK, "", answer.value, trailers)

    def states(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        self._channel.close()


class OnThreads:
    """The channel in this process; `tls` names its files, for they travel as JSON too."""

    def __init__(self, target: str, tls: dict[str, str] | None = None, **options: Any) -> None:
        files: dict[str, Any] = {
            name: value if name == "hostname" else Path(value)
            for name, value in (tls or {}).items()
        }
        self.channel = Channel(target, tls=Tls(**files) if files else None, **options)

    def call(
        self,
        method: str,
        value: bytes = b"",
        timeout: float = CALL_SECONDS,
        metadata: Metadata = (),
        repeatable: bool = False,
    ) -> Outcome:
        try:
            answer = self.channel.unary(
                f"/test.Test/{method}",
                BytesValue(value=value),
                BytesValue,
                timeout=timeout,
                metadata=metadata,
                repeatable=repeatable,
            )
        except RpcError as error:
            trailers, refused = tuple(error.trailers), isinstance(error, Refused)
            return Outcome(error.code, error.message, b"", trailers, error.details, refused)
        return Outcome(Code.OK, "", answer.message.value, tuple(answer.trailing_metadata))

    def states(self) -> dict[str, str]:
        return self.channel.states()

    def close(self) -> None:
        self.channel.close()


class InGunicorn:
    """The channel in a worker of gunicorn's, asked over HTTP."""

    def __init__(self, port: int, target: str, **options: Any) -> None:
        self._port = port
        self._made = {"id": str(time.monotonic_ns()), "target": target, "options": options}

    def call(
        self,
        method: str,
        value: bytes = b"",
        timeout: float = CALL_SECONDS,
        metadata: Metadata = (),
        repeatable: bool = False,
    ) -> Outcome:
        packed = [[name, _pack(each)] for name, each in metadata]
        answer = self._ask(
            do="call",
            arguments=[method, _pack(value), timeout, packed, repeatable],
        )
        code, text, body, trailers, details, refused = answer
        return Outcome(
            Code(code),
            text,
            unpack(body),
            tuple((name, unpack(each)) for name, each in trailers),
            None if details is None else unpack(details),
            refused,
        )

    def states(self) -> dict[str, str]:
        states: dict[str, str] = self._ask(do="states")
        return states

    def close(self) -> None:
        self._ask(do="close")

    def _ask(self, **asked: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("POST", "/", json.dumps({**self._made, **asked}))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            return json.loads(body)
        finally:
            connection.close()


def _pack(value: str | bytes) -> str | list[str]:
    return [base64.b64encode(value).decode()] if isinstance(value, bytes) else value


def unpack(value: Any) -> Any:
    """Bytes travel in JSON as a list with their base64."""
    return base64.b64decode(value[0]) if isinstance(value, list) else value


def pack_outcome(outcome: Outcome) -> list[Any]:
    """An outcome as JSON."""
    return [
        outcome.code,
        outcome.message,
        _pack(outcome.value),
        [[name, _pack(each)] for name, each in outcome.metadata],
        None if outcome.details is None else _pack(outcome.details),
        outcome.refused,
    ]


@contextmanager
def opened(target: str, **options: Any) -> Iterator[OnThreads]:
    """A channel on threads."""
    made = OnThreads(target, **options)
    try:
        yield made
    finally:
        made.close()

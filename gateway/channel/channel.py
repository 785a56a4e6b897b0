"""Calls over a service's connections: round robin, bounded, retried where that is safe."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from time import monotonic
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from chassis.spans.recording import CLIENT, get_recorder
from chassis.status import Code
from gateway.channel.addresses import Address, Options
from gateway.channel.headers import Metadata, request_metadata
from gateway.channel.resolver import Target
from gateway.channel.streams import PREFIX_BYTES, Request, Stream
from gateway.channel.tls import Tls

Response = TypeVar("Response", bound=Message)
BACKOFF_SECONDS = (0.05, 0.1, 0.2)  # before the second, third and fourth attempt
# CANCELLED: grpcio's server ends so what arrives between its stop and its GOAWAY.
REPEATED_CODES = {Code.UNAVAILABLE, Code.CANCELLED}
RETRY_TOKENS, RETRY_TOKEN_RATIO = 10.0, 0.1  # repeats stop while half of the tokens are gone
PUSHBACK = "grpc-retry-pushback-ms"
OVERLOADED = "OVERLOADED"  # reason of our own services' refusals
LOOK_UP_SECONDS = 30.0  # between look-ups while all addresses are ready
LOOK_UP_AGAIN_SECONDS, LOOK_UP_SOON_SECONDS = 5.0, 1.0  # while some fail, while all do
JOIN_SECONDS = 1.0


class RpcError(Exception):
    """An RPC failed; `details` is the serialised google.rpc.Status, if there is one."""

    def __init__(
        self,
        code: Code,
        message: str,
        details: bytes | None = None,
        trailers: Metadata = (),
        *,
        unprocessed: bool = False,
    ) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code, self.message = code, message
        self.details, self.trailers = details, trailers
        self.unprocessed = unprocessed  # the server cannot have processed it


class Refused(RpcError):
    """The channel refused the call before sending it: too many wait, or the service hangs."""


@dataclass(slots=True)
class Answer(Generic[Response]):
    """What a service answered."""

    message: Response
    trailing_metadata: Metadata
    address: str  # of the server


class Channel:
    """Unary calls to one service, at every address of its target.

    Nothing is opened before the first call. Any thread may call. `target` is one or
    more of `host:port` and `unix:path`, separated by commas; with `tls` those speak TLS that
    are not Unix sockets.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: Tls | None = None,
        keepalive_seconds: float = 30.0,
        ping_seconds: float = 10.0,
        connect_seconds: float = 3.0,
        max_receive_bytes: int = 64 * 2**20,
        max_waiting: int | None = None,
        breaker_deadlines: int = 5,
        probe: str | None = None,
    ) -> None:
        """`max_waiting` calls wait at a time; after `breaker_deadlines` deadlines without an
        answer from an address, `probe` ("/package.Service/Method") checks whether it is alive."""
        self._target = Target(target)
        self._options = Options(
            tls, keepalive_seconds, ping_seconds, connect_seconds, breaker_deadlines, probe
        )
        self._max_receive_bytes = max_receive_bytes
        self._max_waiting = max_waiting
        # A list gives and takes atomically, which costs less than a lock.
        self._places = [None] * (max_waiting or 0)
        self.observe_refusal: Callable[[], None] | None = None
        self._changed = threading.Condition()
        self._addresses: list[Address] = []
        self._live: tuple[Address, ...] = ()  # those that accept calls
        self._turn = itertools.count()
        self._tokens = RETRY_TOKENS
        self._random = Random()  # nosec B311  # jitter
        self._trouble = ""  # of the last look-up
        self._watcher: threading.Thread | None = None
        self._is_looked_up = False
        self._look_again, self._closed = threading.Event(), threading.Event()

    def unary(
        self,
        method: str,
        request: Message | bytes,
        response_type: type[Response],
        *,
        timeout: float,
        metadata: Metadata = (),
        repeatable: bool = False,
    ) -> Answer[Response]:
        """Call a method; raises RpcError.

        A call is retried when no server can have processed it, and a `repeatable` one
        also when the service is unavailable or stops, within its `timeout` in seconds.
        """
        body = request if isinstance(request, bytes) else request.SerializeToString()
        call = Request(
            method,
            request_metadata(metadata),
            b"\0" + len(body).to_bytes(4) + body,
            monotonic() + timeout,
            self._max_receive_bytes,
        )
        if self._max_waiting is None:
            address, stream = self._call(call, repeatable)
        else:
            address, stream = self._call_bounded(call, repeatable)
        try:
            message = response_type.FromString(stream.body())
        except DecodeError as error:
            raise RpcError(Code.INTERNAL, "The answer cannot be read.") from error
        return Answer(message, stream.metadata, address.name)

    def ask_each(
        self, method: str, response_type: type[Response], *, timeout: float
    ) -> dict[str, Response]:
        """Call a method with an empty message at every live address at once.

        Returns the answers by address; an address that does not answer OK in time has none. Raises
        RpcError when no address is live.
        """
        call = Request(
            method, b"", bytes(PREFIX_BYTES), monotonic() + timeout, self._max_receive_bytes
        )
        while True:
            self._pick(call.deadline)  # connects, and waits for the first to be live
            asked = []
            for address in self._live:
                stream, connection = Stream(call), address.connection
                if connection and connection.start(stream):
                    asked.append((address.name, connection, stream))
            try:
                for _, _, stream in asked:
                    stream.wait()
            finally:
                for _, connection, stream in asked:
                    connection.cancel(stream, Code.DEADLINE_EXCEEDED, "")
            is_late = monotonic() >= call.deadline
            if is_late or not all(stream.unprocessed for _, _, stream in asked):
                break
            self._refresh()  # the connections have ended since they were picked
            self._closed.wait(BACKOFF_SECONDS[0])
        return {
            name: response_type.FromString(stream.body())
            for name, _, stream in asked
            if stream.completed and stream.code is Code.OK
        }

    def methods(self, service: ServiceDescriptor) -> dict[str, Callable[..., Answer[Any]]]:
        """The unary methods of a service by name: they take a message and `unary`'s options."""
        return {
            method.name: partial(
                _call_with,
                self,
                f"/{service.full_name}/{method.name}",
                GetMessageClass(method.output_type),
            )
            for method in service.methods
            if not method.client_streaming and not method.server_streaming
        }

    def states(self) -> dict[str, str]:
        """By address: one of `STATES` of gateway.channel.addresses; empty before the first call."""
        return {each.name: each.state for each in self._addresses}

    def count_waiting(self) -> int:
        """Return how many calls wait for an answer, where their number is bounded."""
        return (self._max_waiting or 0) - len(self._places)

    def close(self) -> None:
        """Cancel all calls and close; returns within about a second."""
        with self._changed:
            self._closed.set()
            self._look_again.set()
            addresses, self._live = self._addresses, ()
            self._changed.notify_all()
        threads = [thread for address in addresses for thread in address.close()]
        until = monotonic() + JOIN_SECONDS
        for thread in (*threads, *filter(None, [self._watcher])):
            thread.join(max(until - monotonic(), 0))

    # How a call is made.

    def _call_bounded(self, call: Request, repeatable: bool) -> tuple[Address, Stream]:
        """Make the call if there is room to wait; refuse it at once otherwise."""
        try:
            place = self._places.pop()
        except IndexError:
            text = f"{self._max_waiting} calls wait for the service."
            raise self._build_refusal(text) from None
        try:
            return self._call(call, repeatable)
        finally:
            self._places.append(place)

    def _call(self, call: Request, repeatable: bool) -> tuple[Address, Stream]:
        """Make attempts until one is answered with OK."""
        for pause in (*BACKOFF_SECONDS, None):
            try:
                address, stream = self._attempt(call)
                if stream.code is Code.OK:
                    if self._tokens < RETRY_TOKENS:
                        self._tokens += RETRY_TOKEN_RATIO
                    return address, stream
                raise RpcError(
                    stream.code,
                    stream.message,
                    stream.details,
                    stream.metadata,
                    unprocessed=stream.unprocessed,
                )
            except RpcError as error:
                if pause is None or not self._can_repeat(error, repeatable):
                    raise
                pause *= self._random.uniform(0.8, 1.2)
                if monotonic() + pause >= call.deadline:
                    raise
            self._closed.wait(pause)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, call: Request) -> tuple[Address, Stream]:
        while True:
            address = self._pick(call.deadline)
            stream, connection = Stream(call), address.connection
            if connection is None or not connection.start(stream):
                self._refresh()  # it has ended since it was picked
                continue
            try:
                if not stream.wait():
                    message = "The deadline has passed."
                    connection.cancel(stream, Code.DEADLINE_EXCEEDED, message)
            except BaseException:  # the caller's thread is being ended
                connection.cancel(stream, Code.CANCELLED, "")
                raise
            address.count(stream)
            return address, stream

    def _can_repeat(self, error: RpcError, repeatable: bool) -> bool:
        if error.unprocessed:
            return True
        if error.code not in REPEATED_CODES or isinstance(error, Refused) or self._closed.is_set():
            return False
        self._tokens = max(self._tokens - 1, 0)
        if not repeatable or self._tokens <= RETRY_TOKENS / 2:
            return False
        return PUSHBACK not in dict(error.trailers) and _read_reason(error.details) != OVERLOADED

    def _pick(self, deadline: float) -> Address:
        """Return the next address in turn; waits while one may still connect."""
        if live := self._live:
            return live[next(self._turn) % len(live)]
        with self._changed:
            self._start()
            while not (live := self._live):
                self._raise_if_hopeless()
                if not self._changed.wait(max(deadline - monotonic(), 0)):
                    raise RpcError(Code.DEADLINE_EXCEEDED, "No connection before the deadline.")
        return live[next(self._turn) % len(live)]

    def _build_refusal(self, text: str) -> Refused:
        if self.observe_refusal is not None:
            self.observe_refusal()
        return Refused(Code.UNAVAILABLE, text)

    def _raise_if_hopeless(self) -> None:
        if self._closed.is_set():
            raise RpcError(Code.CANCELLED, "The channel is closed.")
        if not self._is_looked_up:
            return
        states = [each.state for each in self._addresses]
        if "connecting" in states or "ready" in states:
            return
        if "hung" in states:
            raise self._build_refusal("The service accepts calls but does not answer.")
        failures = [each.failure for each in self._addresses] or [self._trouble]
        raise RpcError(Code.UNAVAILABLE, f"No connection: {'; '.join(failures)}.")

    # Which addresses there are.

    def _start(self) -> None:
        """Resolve the addresses at the first call, and watch the host names among them."""
        if self._watcher or self._is_looked_up or self._closed.is_set():
            return
        if self._target.is_fixed:
            self._look_up()
            return
        self._watcher = threading.Thread(target=self._watch, name="channel-names", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._closed.is_set():
            self._look_up()
            self._look_again.clear()
            pause = LOOK_UP_AGAIN_SECONDS if self._live else LOOK_UP_SOON_SECONDS
            well = all(each.connection for each in self._addresses) and not self._trouble
            if not self._closed.wait(pause) and well:
                self._look_again.wait(LOOK_UP_SECONDS)

    def _look_up(self) -> None:
        endpoints, trouble = self._target.look_up()
        with self._changed:
            if self._closed.is_set():
                return
            kept = [each for each in self._addresses if each.endpoint in endpoints]
            gone = [each for each in self._addresses if each.endpoint not in endpoints]
            there = {each.endpoint for each in kept}
            added = [
                Address(endpoint, self._options, self._refresh)
                for endpoint in endpoints
                if endpoint not in there
            ]
            self._addresses, self._trouble = kept + added, trouble
            self._is_looked_up = True
            for address in added:
                address.start()
            self._refresh()
        for address in gone:
            address.leave()

    def _refresh(self) -> None:
        """Update the addresses that accept calls after one has changed."""
        with self._changed:
            self._live = tuple(each for each in self._addresses if each.takes_calls)
            if any(each.failure for each in self._addresses):
                self._look_again.set()
            self._changed.notify_all()


def _call_with(
    channel: Channel, method: str, response_type: type[Message], request: Message, **options: Any
) -> Answer[Message]:
    recorder = get_recorder()
    if recorder is None:
        return channel.unary(method, request, response_type, **options)
    service, _, name = method[1:].partition("/")
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
    span = recorder.begin(method[1:], CLIENT, attributes)
    options["metadata"] = [*options.get("metadata", ()), *recorder.inject().items()]
    try:
        answer = channel.unary(method, request, response_type, **options)
        span.note({"rpc.grpc.status_code": Code.OK.value, "server.address": answer.address})
        return answer
    except RpcError as error:
        span.note({"rpc.grpc.status_code": error.code.value})
        span.fail(error.code.name)
        raise
    finally:
        span.end()


def _read_reason(details: bytes | None) -> str:
    """The reason of our own services' refusals; "" of others."""
    info = ErrorInfo()
    try:
        for each in Status.FromString(details or b"").details:
            if each.Unpack(info):
                return str(info.reason)
    except DecodeError:
        pass
    return ""

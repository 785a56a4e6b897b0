"""What is fuzzed: each target takes any bytes, and raises where a promise does not hold.

The reader of JSON, the parser of tracings, and the channel's frames up to a whole connection.
"""

import json
import math
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

from chassis.errors import Invalid
from chassis.messages.plain import to_dict
from chassis.messages.reader import Reader
from chassis.messages.texts import find_text_faults
from gateway.channel import frames
from gateway.channel.connection import Connection
from gateway.channel.frames import ProtocolError
from gateway.channel.headers import BlockReader
from gateway.channel.streams import Request, Stream
from gateway.channel.wire import Wire
from orders_svc.rules.tracing import parse_tracing
from orders_svc.rules.tracing_data import TracingRefused
from protos.orders_pb2 import CreateOrderRequest, UpdateOrderRequest
from protos.sessions_pb2 import CreateSessionRequest
from protos.subscriptions_pb2 import CreateSubscriptionRequest

ROOT = Path(__file__).parents[2]
# A socket pair holds as much without a reader on its other side.
MAX_FRAME_BYTES = 100_000
READERS = (
    Reader(CreateOrderRequest),
    Reader(CreateSessionRequest, raw=("partner_info",)),
    Reader(CreateSubscriptionRequest, raw=("discounts",)),
    Reader(UpdateOrderRequest, path=("order_id",)),
)


def fuzz_reader(data: bytes) -> None:
    """A body is read as JSON reads it, or refused with its faults; so is a query string."""
    for reader in READERS:
        try:
            message = reader.read(data)
        except Invalid as refusal:
            check_faults(refusal)
        else:
            assert isinstance(json.loads(data), dict)
            values = to_dict(message)
            assert type(message).FromString(message.SerializeToString()) == message
            list(find_text_faults(values))
    text = data.decode("utf-8", "replace")
    pairs = [part.partition("=") for part in text.split("&")]
    try:
        READERS[-1].read_query({name: [value] for name, _, value in pairs})
    except Invalid as refusal:
        check_faults(refusal)


def check_faults(refusal: Invalid) -> None:
    """A refusal names faults, which can be written as JSON."""
    assert refusal.faults
    json.dumps([[fault.path, fault.message] for fault in refusal.faults]).encode()


def fuzz_tracing(data: bytes) -> None:
    """A text is a tracing whose figures are numbers, or refused with a line and a reason."""
    text = data.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    try:
        found = parse_tracing(text, mirror=len(data) % 2 == 1)
    except TracingRefused as refused:
        check_refusal(refused, len(text))
    else:
        for figures in found.measure().values():
            assert all(math.isfinite(each) for each in figures.values())
        for trace in found.traces.values():
            assert trace.radii
        assert all(str(each) for each in found.remarks)


def check_refusal(refused: TracingRefused, size: int) -> None:
    """A refusal names a line of the text, and a reason."""
    assert str(refused)
    assert 0 <= refused.line <= size + 1


def fuzz_frames(data: bytes) -> None:
    """Frames are split alike however they arrive, and their payloads are read or refused."""
    try:
        whole, rest = frames.split(data)
    except ProtocolError:
        whole, rest = [], b""
    else:
        assert sum(frames.HEAD_BYTES + len(each[3]) for each in whole) + len(rest) == len(data)
        middle = len(data) // 2
        first, kept = frames.split(data[:middle])
        second, end = frames.split(kept + data[middle:])
        assert (first + second, end) == (whole, rest)
    blocks = BlockReader()
    for kind, flags, _, payload in whole:
        with suppress(ProtocolError):
            frames.unpad(kind, flags, payload)
        with suppress(ProtocolError):
            frames.read_settings(payload)
        with suppress(ProtocolError):
            frames.read_number(payload)
        with suppress(ProtocolError):
            blocks.read(payload)


def fuzz_connection(data: bytes) -> None:
    """A server that sends anything and hangs up: every call ends, and the connection closes."""
    ours, theirs = socket.socketpair()
    with closing(theirs):
        theirs.sendall(frames.build_settings_frame({}) + data[:MAX_FRAME_BYTES])
        theirs.shutdown(socket.SHUT_WR)
        retired: list[Connection] = []
        connection = Connection(Wire(ours, None), "fuzz", 5.0, 5.0, retired.append)
        request = Request("/fuzz/Fuzz", b"", b"\0\0\0\0\0", monotonic() + 5, 2**20)
        streams = [Stream(request) for _ in range(3)]
        started = [stream for stream in streams if connection.start(stream)]
        try:
            connection.open(monotonic() + 5)
        except (OSError, ProtocolError):
            pass  # it has finished by itself
        else:
            connection.serve()
        assert connection in retired
        for stream in started:
            assert stream.wait()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "reader": fuzz_reader,
    "tracing": fuzz_tracing,
    "frames": fuzz_frames,
    "connection": fuzz_connection,
}


def list_seeds(name: str) -> list[bytes]:
    """Good inputs of a target, to begin with."""
    if name == "reader":
        bodies = [path.read_bytes() for path in sorted((ROOT / "demo").glob("*.json"))]
        return [*bodies, b"{}", b"[]", b"lab_status=shipped&tray_number=1", b'{"mode":"draft"}']
    if name == "tracing":
        order = json.loads((ROOT / "demo" / "order.json").read_text())
        files = [path.read_bytes() for path in sorted((ROOT / "tests" / "field").glob("*.oma"))]
        return [order["frame"]["tracing"].encode(), *files]
    head = b"\x88\x5f\x10application/grpc"
    answer = [
        frames.build_header_frames(1, head),
        frames.build_data_frames(1, b"\0\0\0\0\x01x", last=False),
        frames.build_frame(frames.HEADERS, 5, 1, b"\0\x0bgrpc-status\x010"),
        frames.build_settings_frame({4: 100, 3: 1}),
        frames.build_frame(frames.GOAWAY, 0, 0, bytes(8)),
        frames.build_frame(frames.RST_STREAM, 0, 3, bytes(4)),
        frames.build_frame(frames.WINDOW_UPDATE, 0, 1, b"\0\0\1\0"),
        frames.build_frame(frames.PING, 0, 0, bytes(8)),
    ]
    return [b"".join(answer), *answer]

"""The channel against peers that break the rules: calls end well, and the next one works.

`FUZZ_EXAMPLES` sets how often an answer is cut into pieces of random sizes.
"""

import os
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from chassis.status import Code
from gateway.channel import frames
from gateway.channel.frames import END_HEADERS, END_STREAM, build_frame
from tests.gateway.channel.conftest import Connect
from tests.gateway.channel.peers import (
    HEAD,
    LAST,
    OK,
    Attack,
    Link,
    attacked,
    data,
    echo,
    head,
    headers,
    literal,
    message,
    peer,
    sends,
)

STATUS = b"\0\x0bgrpc-status"  # a value follows
RESET = {
    frames.NO_ERROR: Code.INTERNAL,
    frames.PROTOCOL_ERROR: Code.INTERNAL,
    frames.CANCEL: Code.CANCELLED,
    frames.ENHANCE_YOUR_CALM: Code.RESOURCE_EXHAUSTED,
    frames.INADEQUATE_SECURITY: Code.PERMISSION_DENIED,
}
# What ends the whole connection: the calls on it are lost, and the next has another.
LETHAL: dict[str, Attack] = {
    "a reference to the dynamic table": sends(headers(b"\xbe")),
    "a table that grows": sends(headers(b"\x3f\xe1\x1f" + HEAD)),
    "an indexed name of the dynamic table": sends(headers(b"\x7e\x01x")),
    "a cut header block": sends(headers(HEAD[:-3])),
    "headers of 64 KiB and more": sends(
        headers(literal("x", "y" * 120) * 100, END_STREAM),
        *(lambda number: build_frame(9, 0, number, literal("x", "y" * 120) * 130),) * 6,
    ),
    "small blocks that swell": sends(headers(HEAD + b"\x8f" * 3000, END_HEADERS)),
    "CONTINUATION without an end": sends(
        headers(HEAD, 0), *(lambda number: build_frame(9, 0, number, bytes(16_000)),) * 10
    ),
    "CONTINUATION of nothing": sends(lambda number: build_frame(9, 4, number, HEAD)),
    "DATA between HEADERS and CONTINUATION": sends(headers(HEAD, 0), data(b"")),
    "a frame over the limit": sends(
        lambda number: b"\xff\xff\xff" + bytes((0, 0)) + number.to_bytes(4)
    ),
    "a push": sends(lambda number: build_frame(5, 4, number, b"\0\0\0\2" + HEAD)),
    "headers on a stream nobody opened": sends(build_frame(1, LAST, 99, HEAD)),
    "data on an even stream": sends(build_frame(0, 0, 2, b"x")),
    "data on stream 0": sends(build_frame(0, 0, 0, b"x")),
    "SETTINGS on a stream": sends(build_frame(4, 0, 1, b"")),
    "SETTINGS of 5 bytes": sends(build_frame(4, 0, 0, b"12345")),
    "an initial window of 2^31": sends(frames.build_settings_frame({4: 2**31})),
    "a largest frame of 1 byte": sends(frames.build_settings_frame({5: 1})),
    "PING of 7 bytes": sends(build_frame(6, 0, 0, bytes(7))),
    "GOAWAY of 4 bytes": sends(build_frame(7, 0, 0, bytes(4))),
    "a window that overflows": sends(*(build_frame(8, 0, 0, b"\x7f\xff\xff\xff"),) * 2),
    "a stream's window that overflows": sends(
        *(lambda number: build_frame(8, 0, number, b"\x7f\xff\xff\xff"),) * 2
    ),
    "a stream's window that grows by 0": sends(lambda number: build_frame(8, 0, number, bytes(4))),
    "WINDOW_UPDATE of 3 bytes": sends(build_frame(8, 0, 0, bytes(3))),
    "more padding than payload": sends(head, data(b"\x09x", frames.PADDED)),
    "padding without a length": sends(head, data(b"", frames.PADDED)),
    "RST_STREAM of 3 bytes": sends(lambda number: build_frame(3, 0, number, bytes(3))),
}
# What ends the call alone: the next goes over the same connection.
HARMFUL: dict[str, tuple[Attack, Code]] = {
    **{f"reset {each}": (sends(lambda n, e=each: build_frame(3, 0, n, e.to_bytes(4))), code)  # type: ignore[misc]
       for each, code in RESET.items()},
    "a compressed message": (sends(head, data(b"\1\0\0\0\1x")), Code.INTERNAL),
    "a message over the limit": (sends(head, data(b"\0\xff\xff\xff\xff")), Code.RESOURCE_EXHAUSTED),
    "more than a message": (sends(head, data(message(b"x") + b"y")), Code.INTERNAL),
    "two messages": (sends(head, data(message(b"x") * 2), headers(OK)), Code.INTERNAL),
    "half a message": (sends(head, data(message(b"xyz")[:-1]), headers(OK)), Code.INTERNAL),
    "a cut prefix": (sends(head, data(b"\0\0"), headers(OK)), Code.INTERNAL),
    "no message": (sends(head, headers(OK)), Code.INTERNAL),
    "OK with nothing else": (sends(headers(HEAD + OK)), Code.INTERNAL),
    "no status": (sends(head, data(message(b"x"), END_STREAM)), Code.INTERNAL),
    "trailers without a status": (sends(head, headers(literal("a", "b"))), Code.UNKNOWN),
    "data before headers": (sends(data(message(b"x"))), Code.INTERNAL),
    "headers twice": (sends(head, head), Code.UNKNOWN),
    "103 after headers": (
        sends(head, headers(literal(":status", "103"), END_HEADERS)), Code.UNKNOWN
    ),
    "a web page": (sends(headers(b"\x88" + literal("content-type", "text/html"), 4)), Code.UNKNOWN),
    "503 of a proxy": (sends(headers(literal(":status", "503"))), Code.UNAVAILABLE),
    "404 of a proxy": (sends(headers(b"\x8d", END_HEADERS)), Code.UNIMPLEMENTED),
    "a status that is no number": (sends(headers(HEAD + STATUS + b"\1x")), Code.UNKNOWN),
    "a status nobody knows": (sends(headers(HEAD + STATUS + b"\x0299")), Code.UNKNOWN),
    "details in no base64": (
        sends(headers(HEAD + STATUS + b"\x015" + literal("grpc-status-details-bin", "!"))),
        Code.NOT_FOUND,
    ),
    "a message that is no protobuf": (
        sends(head, data(b"\0\0\0\0\1\xff"), headers(OK)), Code.INTERNAL
    ),
}  # fmt: skip
# What is allowed, if strange: the call succeeds.
HARMLESS: dict[str, Attack] = {
    "unknown frames": sends(build_frame(0xBE, 255, 0, b"?"), build_frame(0xEF, 255, 1, b"?")),
    "unknown settings": sends(frames.build_settings_frame({0x99: 7})),
    "PRIORITY": sends(lambda number: build_frame(2, 0, number, bytes(5))),
    "a thousand settings": sends(frames.build_settings_frame({3: 100}) * 1000),
    "a thousand PINGs": sends(build_frame(6, 0, 0, b"12345678") * 1000),
    "an acknowledgement of nothing": sends(build_frame(4, 1, 0), build_frame(6, 1, 0, bytes(8))),
    "103 before the answer": sends(headers(literal(":status", "103"), END_HEADERS)),
    "a reset of a stream that has ended": sends(),
    "a GOAWAY that lets the call through": sends(
        build_frame(7, 0, 0, b"\x7f\xff\xff\xff" + bytes(4))
    ),
    "a table that shrinks to nothing": sends(),
}


@pytest.mark.parametrize("name", LETHAL)
def test_the_connection_ends(connect: Connect, name: str) -> None:
    with peer(attacked(LETHAL[name]), echo) as at:
        caller = connect(at.target)
        assert caller.call("Echo").code is Code.UNAVAILABLE
        assert caller.call("Echo")
        assert at.links == 2


@pytest.mark.parametrize("name", HARMFUL)
def test_the_call_ends(connect: Connect, name: str) -> None:
    attack, code = HARMFUL[name]

    def script(link: Link) -> None:
        link.greet()
        attack(link, link.request()[0])
        while True:
            link.answer(link.request()[0], b"next")

    with peer(script) as at:
        caller = connect(at.target)
        assert caller.call("Echo").code is code
        assert caller.call("Echo").value == b"next"
        assert at.links == 1


@pytest.mark.parametrize("name", HARMLESS)
def test_the_call_succeeds(connect: Connect, name: str) -> None:
    def answer(link: Link, number: int) -> None:
        HARMLESS[name](link, number)
        block = b"\x20" + HEAD if "shrinks" in name else HEAD
        padded = b"\x03" + message(b"x") + bytes(3)
        link.send(
            build_frame(frames.HEADERS, END_HEADERS | 0x20, number, bytes(5) + block),
            build_frame(frames.DATA, frames.PADDED, number, padded),
            build_frame(frames.HEADERS, END_STREAM, number, OK[:4]),
            build_frame(frames.CONTINUATION, 0, number, OK[4:6]),
            build_frame(frames.CONTINUATION, END_HEADERS, number, OK[6:]),
            build_frame(frames.RST_STREAM, 0, number, bytes(4)),
        )

    with peer(attacked(answer)) as at:
        assert connect(at.target).call("Echo").value == b"x"


def test_an_answer_may_come_byte_by_byte(connect: Connect) -> None:
    def drip(link: Link, number: int) -> None:
        link.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
        answer = head(number) + data(message(b"drip"))(number) + headers(OK)(number)
        for at in range(len(answer)):
            link.send(answer[at : at + 1])

    with peer(attacked(drip)) as at:
        assert connect(at.target).call("Echo").value == b"drip"


def test_an_answer_survives_any_split(connect: Connect) -> None:
    cuts: deque[list[int]] = deque()

    def split(link: Link) -> None:
        link.greet()
        while True:
            number, _ = link.request()
            answer = head(number) + data(message(b"cut"))(number) + headers(OK)(number)
            at = 0
            for cut in (*sorted(cuts.popleft()), len(answer)):
                link.send(answer[at:cut])
                at = max(cut, at)
                time.sleep(0.001)

    with peer(split) as at:
        caller = connect(at.target)

        @settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "40")))
        @given(some.lists(some.integers(1, 90), max_size=6))
        def check(drawn: list[int]) -> None:
            cuts.append(drawn)
            assert caller.call("Echo").value == b"cut"

        check()


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_a_cut_answer_is_unavailable(connect: Connect, kept: int) -> None:
    def cut(link: Link, number: int) -> None:
        answer = head(number) + data(message(b"drip"))(number) + headers(OK)(number)
        link.send(answer[:kept])
        link.socket.shutdown(2)

    with peer(attacked(cut), echo) as at:
        caller = connect(at.target)
        assert caller.call("Echo").code is Code.UNAVAILABLE
        assert caller.call("Echo")


def test_a_request_fits_through_windows_of_one_byte(connect: Connect) -> None:
    def starve(link: Link) -> None:
        link.greet({frames.INITIAL_WINDOW_SIZE: 1})
        body, flags, number = b"", 0, 1
        while not flags & END_STREAM:
            _, flags, number, part = link.next(frames.DATA)
            assert len(part) <= 1
            body += part
            link.send(build_frame(frames.WINDOW_UPDATE, 0, number, b"\0\0\0\1"))
        link.answer(number, body[7:])
        link.drain()

    with peer(starve) as at:
        assert connect(at.target).call("Echo", b"frames of one byte").value == b"frames of one byte"


def test_a_window_may_become_negative(connect: Connect) -> None:
    def shrink_table(link: Link) -> None:
        link.greet({frames.INITIAL_WINDOW_SIZE: 1000})
        size = 0
        while size < 1000:
            size += len(link.next(frames.DATA)[3])
        link.send(frames.build_settings_frame({frames.INITIAL_WINDOW_SIZE: 10}))
        link.send(build_frame(frames.WINDOW_UPDATE, 0, 1, (990).to_bytes(4)))
        link.send(build_frame(frames.PING, 0, 0, b"12345678"))
        while link.frame()[:2] != (frames.PING, frames.ACK):
            pass  # nothing was sent in between, or it would be DATA
        link.send(build_frame(frames.WINDOW_UPDATE, 0, 1, (5000).to_bytes(4)))
        while size < 3000 + 8:
            size += len(link.next(frames.DATA)[3])
        link.answer(1, b"%d" % size)
        link.drain()

    with peer(shrink_table) as at:
        assert connect(at.target).call("Echo", b"x" * 3000).value == b"3008"


def test_no_window_ends_with_the_deadline_and_the_next_call_has_its_own(connect: Connect) -> None:
    def close_early(link: Link) -> None:
        link.greet()
        number, _ = link.request()
        link.send(frames.build_settings_frame({frames.INITIAL_WINDOW_SIZE: 0}))
        link.answer(number)
        assert link.next(frames.RST_STREAM)[2:] == (3, frames.CANCEL.to_bytes(4))
        link.send(frames.build_settings_frame({frames.INITIAL_WINDOW_SIZE: 1000}))
        link.answer(link.request()[0], b"next")
        link.drain()

    with peer(close_early) as at:
        caller = connect(at.target)
        assert caller.call("Echo")
        assert caller.call("Echo", b"x", timeout=0.5).code is Code.DEADLINE_EXCEEDED
        assert caller.call("Echo", b"x").value == b"next"


def test_an_early_answer_stops_the_request(connect: Connect) -> None:
    def answer_early(link: Link) -> None:
        link.greet()
        link.next(frames.HEADERS)
        link.send(headers(HEAD + literal("grpc-status", "8"))(1))
        assert link.next(frames.RST_STREAM)[2] == 1
        link.send(build_frame(frames.WINDOW_UPDATE, 0, 0, (2**20).to_bytes(4)))
        link.answer(link.request()[0], b"next")
        link.drain()

    with peer(answer_early) as at:
        caller = connect(at.target)
        assert caller.call("Echo", bytes(200_000)).code is Code.RESOURCE_EXHAUSTED
        assert caller.call("Echo").value == b"next"


def test_a_body_that_never_ends_is_cut_at_its_length(connect: Connect) -> None:
    def send_endlessly(link: Link, number: int) -> None:
        link.send(head(number))
        while True:
            link.send(data(message(bytes(16_000)))(number))

    with peer(attacked(send_endlessly), echo) as at:
        assert connect(at.target).call("Echo").code is Code.INTERNAL


def test_a_peer_that_reads_nothing_holds_no_call_over_its_deadline(connect: Connect) -> None:
    over = threading.Event()

    def ignore_input(link: Link) -> None:
        link.greet({frames.INITIAL_WINDOW_SIZE: 2**31 - 1})
        link.send(build_frame(frames.WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4)))
        over.wait(60)

    with peer(ignore_input) as at, ThreadPoolExecutor(4) as pool:
        caller = connect(at.target)
        calls = [pool.submit(caller.call, "Echo", bytes(8_000_000), 1.0) for _ in range(4)]
        assert {each.result(50).code for each in calls} == {Code.DEADLINE_EXCEEDED}
        over.set()


@pytest.mark.parametrize(
    "opening", [b"HTTP/1.1 400 Bad Request\r\n\r\n", build_frame(6, 0, 0, bytes(8))]
)
def test_a_server_without_http2_is_unavailable(connect: Connect, opening: bytes) -> None:
    def other(link: Link) -> None:
        link.send(opening)
        link.drain()

    with peer(other) as at:
        assert connect(at.target).call("Echo").code is Code.UNAVAILABLE


def test_settings_that_never_come_are_unavailable(connect: Connect) -> None:
    with peer(Link.drain) as at:
        assert connect(at.target, connect_seconds=0.5).call("Echo").code is Code.UNAVAILABLE

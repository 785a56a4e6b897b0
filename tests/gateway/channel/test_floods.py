"""The channel against peers that flood it: their connection ends, and no other call notices."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.status import Code
from gateway.channel import frames
from gateway.channel.frames import END_HEADERS, build_frame
from tests.gateway.channel.conftest import Connect
from tests.gateway.channel.peers import (
    HEAD,
    OK,
    Link,
    attacked,
    data,
    echo,
    head,
    headers,
    literal,
    peer,
)


def test_data_of_cancelled_calls_is_credited_too(connect: Connect) -> None:
    received = threading.Event()

    def answer_late(link: Link) -> None:
        link.greet()
        link.answer(link.request()[0])
        number, _ = link.request()
        link.next(frames.RST_STREAM)
        for _ in range(200):
            link.send(data(bytes(16_000))(number))
        credit = 0
        while credit < 2_000_000:
            credit += int.from_bytes(link.next(frames.WINDOW_UPDATE)[3])
        received.set()
        link.drain()

    with peer(answer_late) as at:
        caller = connect(at.target)
        assert caller.call("Echo")
        assert caller.call("Echo", timeout=0.3).code is Code.DEADLINE_EXCEEDED
        assert received.wait(20)


def test_a_flood_of_pings_that_reads_nothing_ends_the_connection(connect: Connect) -> None:
    def flood(link: Link, number: int) -> None:
        while True:
            link.send(build_frame(frames.PING, 0, 0, b"12345678") * 1000)

    with peer(attacked(flood), echo) as at:
        caller = connect(at.target)
        assert caller.call("Echo").code is Code.UNAVAILABLE
        assert caller.call("Echo")


BEGUN = headers(HEAD, 0)(1)  # a header block that is not ended
EARLY = headers(literal(":status", "103"), END_HEADERS)
# What comes before the flood on stream 1, and the frame that is repeated.
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "PING": (head(1), build_frame(frames.PING, 0, 0, b"12345678")),
    "SETTINGS": (head(1), build_frame(frames.SETTINGS, 0, 0)),
    "empty DATA": (head(1), build_frame(frames.DATA, 0, 1)),
    "DATA of padding": (head(1), build_frame(frames.DATA, frames.PADDED, 1, b"\x05" + bytes(5))),
    "PRIORITY": (head(1), build_frame(frames.PRIORITY, 0, 1, bytes(5))),
    "unknown": (head(1), build_frame(0xEE, 0, 0)),
    "empty CONTINUATION": (BEGUN, build_frame(frames.CONTINUATION, 0, 1)),
    "103": (b"", EARLY(1)),
    "103 in two frames": (
        b"",
        build_frame(frames.HEADERS, 0, 1) + build_frame(frames.CONTINUATION, 4, 1, EARLY(1)[9:]),
    ),
}
# The same on a stream that has ended.
LATE_FLOODS = {
    "HEADERS": head(1),
    "trailers": headers(OK)(1),
    "DATA": data(b"x")(1),
    "empty DATA": data(b"")(1),
}


def flood(link: Link, frame: bytes) -> None:
    """Repeat a frame until the channel closes, and read what it sends meanwhile."""
    reading = threading.Thread(target=link.drain)
    reading.start()
    try:
        while True:
            link.send(frame * 1000)
    finally:
        reading.join()


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_that_reads_its_answers_ends_and_leaves_other_calls_alone(
    connect: Connect, name: str
) -> None:
    before, frame = FLOODS[name]

    def attack(link: Link, number: int) -> None:
        link.send(before)
        flood(link, frame)

    with peer(attacked(attack), echo) as at, peer(echo) as other, ThreadPoolExecutor(1) as pool:
        flooded = pool.submit(connect(at.target).call, "Echo")
        caller = connect(other.target)
        for _ in range(20):
            assert caller.call("Echo")
        assert flooded.result().code is Code.UNAVAILABLE
        assert "a flood of frames" in flooded.result().message


@pytest.mark.parametrize("name", LATE_FLOODS)
def test_a_flood_on_a_stream_that_has_ended_ends_the_connection(
    connect: Connect, name: str
) -> None:
    def answer_endlessly(link: Link) -> None:
        link.greet()
        link.answer(link.request()[0])
        link.request()
        flood(link, LATE_FLOODS[name])

    with peer(answer_endlessly, echo) as at:
        caller = connect(at.target)
        assert caller.call("Echo")
        outcome = caller.call("Echo")
        assert outcome.code is Code.UNAVAILABLE
        assert "a flood of frames" in outcome.message
        assert caller.call("Echo")


def test_the_rest_of_a_large_answer_to_a_cancelled_call_is_no_flood(connect: Connect) -> None:
    def answer_late(link: Link) -> None:
        link.greet()
        link.answer(link.request()[0])
        number, _ = link.request()
        link.next(frames.RST_STREAM)
        part = data(bytes(frames.FRAME_BYTES))(number)
        link.send(head(number))
        for _ in range(4096):  # 64 MiB
            link.send(part)
        link.send(headers(OK)(number))
        while True:
            link.answer(link.request()[0], b"next")

    with peer(answer_late) as at:
        caller = connect(at.target)
        assert caller.call("Echo")
        assert caller.call("Echo", timeout=0.3).code is Code.DEADLINE_EXCEEDED
        assert caller.call("Echo").value == b"next"
        assert at.links == 1

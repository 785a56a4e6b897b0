"""GOAWAY, refusals, keepalive: which calls are retried, and on which connection."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.status import Code
from gateway.channel import frames
from gateway.channel.frames import build_frame
from tests.gateway.channel.conftest import Connect
from tests.gateway.channel.peers import Link, attacked, echo, peer, sends


def test_calls_above_the_last_id_are_made_again(connect: Connect) -> None:
    with peer(attacked(sends(build_frame(frames.GOAWAY, 0, 0, bytes(8)))), echo) as at:
        assert connect(at.target).call("Echo")
        assert at.links == 2


def test_refused_streams_are_made_again(connect: Connect) -> None:
    def refuse(link: Link) -> None:
        link.greet()
        number, _ = link.request()
        link.send(build_frame(frames.RST_STREAM, 0, number, frames.REFUSED_STREAM.to_bytes(4)))
        link.answer(link.request()[0], b"again")
        link.drain()

    with peer(refuse) as at:
        assert connect(at.target).call("Echo").value == b"again"


def test_refused_streams_are_not_made_again_without_end(connect: Connect) -> None:
    def refuse(link: Link) -> None:
        link.greet()
        for _ in range(4):
            number, _ = link.request()
            link.send(build_frame(frames.RST_STREAM, 0, number, frames.REFUSED_STREAM.to_bytes(4)))
        link.drain()

    with peer(refuse) as at:
        assert connect(at.target).call("Echo").code is Code.UNAVAILABLE


@pytest.mark.parametrize(("repeatable", "links"), [(False, 1), (True, 2)])
def test_an_end_below_the_last_id_is_repeated_only_where_that_is_safe(
    connect: Connect, repeatable: bool, links: int
) -> None:
    def leave(link: Link, number: int) -> None:
        link.send(build_frame(frames.GOAWAY, 0, 0, number.to_bytes(4) + bytes(4)))
        link.socket.shutdown(2)

    with peer(attacked(leave), echo) as at:
        outcome = connect(at.target).call("Echo", repeatable=repeatable)
        assert outcome.code is (Code.OK if repeatable else Code.UNAVAILABLE)
        assert repeatable is (at.links == links == 2)


@pytest.mark.parametrize("repeatable", [False, True])
def test_a_reset_is_never_repeated(connect: Connect, repeatable: bool) -> None:
    with peer(attacked(sends(lambda n: build_frame(3, 0, n, b"\0\0\0\2")))) as at:
        assert connect(at.target).call("Echo", repeatable=repeatable).code is Code.INTERNAL


def test_calls_on_a_leaving_connection_end_while_others_have_a_new_one(connect: Connect) -> None:
    new = threading.Event()

    def leave(link: Link, number: int) -> None:
        link.send(build_frame(frames.GOAWAY, 0, 0, number.to_bytes(4) + bytes(4)))
        assert new.wait(20)
        link.answer(number, b"old")

    with peer(attacked(leave), echo) as at, ThreadPoolExecutor(1) as pool:
        caller = connect(at.target)
        old = pool.submit(caller.call, "Echo")
        while at.links < 2:
            time.sleep(0.01)
        assert caller.call("Echo").value == b""
        new.set()
        assert old.result().value == b"old"


def test_a_leaving_connection_closes_when_its_last_call_is_given_up(connect: Connect) -> None:
    closed = threading.Event()

    def leave(link: Link) -> None:
        link.greet()
        link.answer(link.request()[0])
        number, _ = link.request()
        link.send(build_frame(frames.GOAWAY, 0, 0, number.to_bytes(4) + bytes(4)))
        link.drain()
        closed.set()

    with peer(leave, echo) as at:
        caller = connect(at.target)
        assert caller.call("Echo")  # the deadline is not for connecting
        assert caller.call("Echo", timeout=0.3).code is Code.DEADLINE_EXCEEDED
        assert closed.wait(20)


# Keepalive.


def test_a_silent_peer_is_pinged_and_a_mute_one_is_left(connect: Connect) -> None:
    pinged = threading.Event()

    def mute(link: Link) -> None:
        link.greet()
        link.next(frames.PING)
        pinged.set()
        link.drain()

    with peer(mute, echo) as at:
        caller = connect(at.target, keepalive_seconds=0.3, ping_seconds=0.5)
        assert caller.call("Echo", repeatable=True)
        assert pinged.is_set()


def test_pings_are_rarer_when_the_server_says_so(connect: Connect) -> None:
    times: list[float] = []

    def complain(link: Link) -> None:
        link.greet()
        link.answer(link.request()[0])
        began = time.monotonic()
        link.next(frames.PING)
        times.append(time.monotonic() - began)
        link.send(
            build_frame(frames.GOAWAY, 0, 0, b"\0\0\0\1" + frames.ENHANCE_YOUR_CALM.to_bytes(4))
        )
        link.drain()

    def calm(link: Link) -> None:
        link.greet()
        began = time.monotonic()
        link.next(frames.PING)
        times.append(time.monotonic() - began)
        link.drain()

    with peer(complain, calm) as at:
        assert connect(at.target, keepalive_seconds=0.6).call("Echo")
        until = time.monotonic() + 20
        while len(times) < 2 and time.monotonic() < until:
            time.sleep(0.05)
    assert times[0] > 0.5
    assert times[1] > 1.1

"""Addresses in turn, names that are looked up again, and connections that are replaced."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from chassis.status import Code
from gateway.channel import Channel, RpcError, connection, frames
from gateway.channel import channel as channels
from gateway.channel.frames import build_frame
from tests.gateway.channel.callers import opened
from tests.gateway.channel.conftest import Connect
from tests.gateway.channel.peers import (
    DEAD,
    PATIENCE_SECONDS,
    Link,
    Server,
    echo,
    peer,
    server,
    wait_for,
)


def test_nothing_is_opened_before_the_first_call(connect: Connect) -> None:
    with peer(echo) as at:
        caller = connect(at.target)
        assert (at.links, caller.states()) == (0, {})
        assert caller.call("Echo")
        assert (at.links, caller.states()) == (1, {at.target: "ready"})


def test_calls_take_turns_over_the_live_addresses(connect: Connect) -> None:
    with server() as one, server() as two:
        caller = connect(f"{one.target}, {DEAD},{two.target}")
        wait_for(lambda: caller.call("Echo") and len(one.calls) and len(two.calls))
        one.calls.clear()
        two.calls.clear()
        for _ in range(20):
            assert caller.call("Echo")
        assert (len(one.calls), len(two.calls)) == (10, 10)
        assert caller.states()[DEAD] == "failing"


def test_a_lost_address_leaves_the_turn_and_comes_back(connect: Connect) -> None:
    one = Server()
    with server() as two:
        caller = connect(f"{one.target},{two.target}")
        wait_for(lambda: caller.call("Echo") and one.calls and two.calls)
        one.stop()
        wait_for(lambda: caller.states()[one.target] == "failing")
        for _ in range(10):
            assert caller.call("Echo")
        with server(one.target) as again:
            wait_for(lambda: caller.call("Echo") and again.calls)


def test_a_unix_socket_with_a_full_backlog_fails_at_once(connect: Connect, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        refused = 0
        while not refused:
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            refused = waiting.connect_ex(path)
        caller = connect(f"unix:{path}", connect_seconds=60)
        outcome = caller.call("Echo", timeout=5)
        assert (outcome.code, caller.states()[f"unix:{path}"]) == (Code.UNAVAILABLE, "failing")
    Path(path).unlink()
    with server(f"unix:{path}"):
        wait_for(lambda: caller.call("Echo"))


def test_each_live_address_is_asked_at_once_and_who_is_silent_is_left() -> None:
    cancelled = threading.Event()

    def silent(link: Link) -> None:
        link.greet()
        number, _ = link.request()
        assert link.next(frames.RST_STREAM)[2] == number
        cancelled.set()
        link.drain()

    with ExitStack() as stack:
        one, two = (stack.enter_context(server()) for _ in range(2))
        frozen = stack.enter_context(peer(silent))
        target = f"{frozen.target},{one.target},{DEAD},{two.target}"
        caller = stack.enter_context(opened(target))
        with suppress(RpcError):
            caller.channel.ask_each("/test.Test/Echo", BytesValue, timeout=0.0)
        states = ["ready", "ready", "failing", "ready"]
        wait_for(lambda: list(caller.states().values()) == states)
        answers = caller.channel.ask_each("/test.Test/Echo", BytesValue, timeout=0.5)
        assert answers == {one.target: BytesValue(), two.target: BytesValue()}
        assert cancelled.wait(PATIENCE_SECONDS)


def test_who_refuses_all_is_asked_again_until_the_deadline() -> None:
    def refusing(link: Link) -> None:
        link.greet()
        for refused in (True, False):
            number, _ = link.request()
            if refused:
                link.send(build_frame(frames.RST_STREAM, 0, number, b"\0\0\0\7"))
            else:
                link.answer(number)
        link.drain()

    with peer(refusing) as at, opened(at.target) as caller:
        answers = caller.channel.ask_each("/test.Test/Echo", BytesValue, timeout=PATIENCE_SECONDS)
        assert list(answers) == [at.target]


class Names:
    """A name server: what getaddrinfo answers for "service.test", or raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hosts: list[str] = []
        self.asked = 0
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)
        monkeypatch.setattr(channels, "LOOK_UP_SECONDS", 0.1)
        monkeypatch.setattr(channels, "LOOK_UP_AGAIN_SECONDS", 0.05)
        monkeypatch.setattr(channels, "LOOK_UP_SOON_SECONDS", 0.05)

    def _answer(self, host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host != "service.test":
            return self._real(host, port, *more, **options)
        self.asked += 1
        if not self.hosts:
            raise socket.gaierror("nobody of that name")
        found = [socket.SOCK_STREAM, 6, ""]
        return [(socket.AF_INET, *found, (each, port)) for each in self.hosts]


@contextmanager
def two_hosts() -> Iterator[tuple[Server, Server, int]]:
    """Two servers with one port on two loopback addresses."""
    with server("127.0.0.1:0") as one, server(f"127.0.0.2:{one.port}") as two:
        yield one, two, one.port


def test_a_name_is_all_its_addresses_and_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    with two_hosts() as (one, two, port), opened(f"dns:///service.test:{port}") as caller:
        names.hosts = ["127.0.0.1"]
        for _ in range(6):
            assert caller.call("Echo")
        assert (len(one.calls), len(two.calls)) == (6, 0)
        names.hosts = ["127.0.0.1", "127.0.0.2"]
        wait_for(lambda: caller.call("Echo") and two.calls)
        names.hosts = ["127.0.0.2"]
        wait_for(lambda: list(caller.states()) == [f"127.0.0.2:{port}"])
        one.calls.clear()
        for _ in range(6):
            assert caller.call("Echo")
        assert not one.calls


def test_the_last_answer_is_kept_while_a_name_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    with server() as at, opened(f"service.test:{at.port}") as caller:
        assert caller.call("Echo").code is Code.UNAVAILABLE
        names.hosts = ["127.0.0.1"]
        wait_for(lambda: caller.call("Echo"))
        names.hosts = []
        asked = names.asked
        wait_for(lambda: names.asked > asked + 2)
        assert caller.call("Echo")


def test_localhost_is_a_name(connect: Connect) -> None:
    with server() as at:
        assert connect(f"localhost:{at.port}").call("Echo")


@pytest.mark.parametrize(
    "target", ["", "host", "host:", "host:x", ":1", "host:99999", "a:1,,b:2", "é:1"]
)
def test_a_malformed_target_is_refused_at_once(target: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Channel(target)


def test_a_connection_is_replaced_long_before_its_numbers_run_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "LAST_STREAM", 10)
    with server() as at, opened(at.target) as caller:
        for _ in range(20):
            assert caller.call("Echo")
        assert len(at.peers) == 4

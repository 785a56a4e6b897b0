"""The port of metrics and probes: whoever stalls there, a probe is answered."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from chassis.metrics.listener import MAX_VISITS, Listener, Page, count_up, parse_address
from tests.chassis.logs import capture_log
from tests.gateway.real_front import is_closed

LARGE = b"x" * 50_000_000


def fail() -> Page:
    raise LookupError("a secret")


PAGES = {
    "/livez": lambda: Page(200, "text/plain", b"ok"),
    "/large": lambda: Page(200, "text/plain", LARGE),
    "/fails": fail,
}


@contextmanager
def listening(seconds: float = 30) -> Iterator[Listener]:
    """A listener on a free port."""
    listener = Listener(("127.0.0.1", 0), PAGES, seconds=seconds)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


def ask(listener: Listener, path: str, method: str = "GET") -> tuple[int, bytes, Any]:
    """Status, body and headers of an answer."""
    asked = Request(f"http://{listener.address}{path}", method=method)
    try:
        with urlopen(asked, timeout=20) as answer:
            return answer.status, answer.read(), answer.headers
    except HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def connect(listener: Listener) -> socket.socket:
    host, _, port = listener.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_what_it_answers() -> None:
    with listening() as listener, capture_log() as lines:
        assert ask(listener, "/livez")[:2] == (200, b"ok")
        assert ask(listener, "/livez?a=b")[:2] == (200, b"ok")
        status, body, headers = ask(listener, "/livez", "HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", "2")
        status, body, _ = ask(listener, "/other")
        assert (status, body) == (404, b"There are /livez, /large, /fails.\n")
        status, _, headers = ask(listener, "/livez", "POST")
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
        assert ask(listener, "/large")[1] == LARGE
        assert ask(listener, "/fails")[:2] == (500, b"The page failed.\n")
        (line,) = lines()
        assert line["error"] == "LookupError"
        assert "secret" not in str(line)
        assert ask(listener, "/livez")[0] == 200


@pytest.mark.parametrize(
    "sent", [b"\r\n\r\n", b"\xff\0 x\r\n\r\n", b"GET\r\n\r\n", b"GET  \r\n\r\n"]
)
def test_what_is_no_request_is_answered_and_closed(sent: bytes) -> None:
    with listening() as listener, connect(listener) as client:
        client.sendall(sent)
        assert client.recv(100).startswith(b"HTTP/1.1 404 ")
        assert is_closed(client)


def test_a_head_without_end_is_cut() -> None:
    with listening() as listener, connect(listener) as client:
        with suppress(OSError):  # reset, or a broken pipe
            client.sendall(b"x" * 10_000_000)
        assert is_closed(client)
        assert ask(listener, "/livez")[0] == 200


def test_open_sockets_keep_no_probe_waiting() -> None:
    with listening() as listener, ExitStack() as opened:
        stalled = [opened.enter_context(connect(listener)) for _ in range(MAX_VISITS)]
        for client in stalled:
            client.sendall(b"GET /livez HT")
        reader = opened.enter_context(connect(listener))
        reader.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        for _ in range(3):
            assert ask(listener, "/livez")[0] == 200
        assert is_closed(stalled[0])  # the oldest had to go


def test_nobody_stays_longer_than_their_time() -> None:
    with listening(seconds=0.2) as listener:
        with connect(listener) as silent, connect(listener) as reader:
            reader.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            assert is_closed(silent)
            assert is_closed(reader)
        assert ask(listener, "/livez")[0] == 200


def test_a_stop_ends_open_connections_and_frees_the_port() -> None:
    with listening() as listener, connect(listener) as client:
        ask(listener, "/livez")
        listener_address = listener.address
        listener.stop()
        assert is_closed(client)
        again = Listener(parse_address(listener_address), PAGES)
        again.start()
        again.stop()
        listener.stop = lambda: None  # type: ignore[method-assign]  # it has ended


def test_a_busy_port_is_refused() -> None:
    with listening() as listener, pytest.raises(OSError, match="in use"):
        Listener(parse_address(listener.address), PAGES)


@pytest.mark.parametrize(
    "text", ["", "9464", ":9464", "localhost", "h:x", "h:-1", "h:65536", "h:²"]
)
def test_an_address_is_host_and_port(text: str) -> None:
    with pytest.raises(ValueError, match="METRICS_LISTEN must be host:port"):
        parse_address(text)


def test_workers_count_up() -> None:
    assert [count_up("0.0.0.0:9464", n) for n in range(3)] == [
        "0.0.0.0:9464",
        "0.0.0.0:9465",
        "0.0.0.0:9466",
    ]
    assert count_up("[::1]:9464", 1) == "[::1]:9465"
    assert count_up("127.0.0.1:0", 1) == "127.0.0.1:0"
    assert parse_address("[::1]:9464") == ("::1", 9464)

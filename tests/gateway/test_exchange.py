"""What a connection takes over from one request to the next: each has its own environment."""

import re
import socket
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.exchange import Answer, begin_answer, send_answer
from gateway.server.parsing import KNOWN_HEAD_BYTES, Parser
from tests.gateway.real_front import PATIENCE_SECONDS, Front, gunicorn, is_closed, request
from tests.gateway.test_parsing import ADDRESS, HOST, Socket

LISTENER = ("127.0.0.1", 8080)
HEADS = [
    [HOST],
    [HOST, b"Authorization: Basic YTpi"],
    [HOST, b"Authorization: Basic YTpi", b"Accept: a", b"Accept: b"],
    [HOST, b"Content-Type: application/json", b"Content-Length: 0"],
    [b"host: other.example", b"Authorization: Basic YTpi"],
    [HOST, b"Expect: 100-continue"],
    [HOST, b"Long: " + b"x" * KNOWN_HEAD_BYTES],
]
LINES = [
    b"GET / HTTP/1.1",
    b"GET /v1/orders/ord_1?expand=a%20b HTTP/1.1",
    b"DELETE /v1/orders/%C3%A9 HTTP/1.0",
]
OWN = {"wsgi.input", "wsgi.errors", "gunicorn.socket", "wsgi.early_hints"}


class Sink(Socket):
    """A client that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.received = b""

    def sendall(self, data: bytes) -> None:
        """Keep it."""
        self.received += data

    send = sendall


def read_next(parser: Any, source: Sink, head: bytes) -> Any:
    """Return the request that a parser reads, as if the one before had ended well."""
    source.data, parser.mesg = head, None
    parser.unreader.take_buffered()
    return next(parser)


def list_own(environ: dict[str, Any]) -> dict[str, Any]:
    """Return what can be compared of a WSGI environment."""
    return {name: value for name, value in environ.items() if name not in OWN}


def build_alone(head: bytes, listener: Any) -> dict[str, Any]:
    """Return the environment that gunicorn makes of a head that is a connection's first."""
    source = Sink()
    found = read_next(RequestParser(Config(), source, ADDRESS), source, head)
    _, environ = wsgi.create(found, source, ADDRESS, listener, Config())
    return {**list_own(environ), "wsgi.multithread": True}


requests = st.lists(
    st.tuples(st.sampled_from(LINES), st.sampled_from(HEADS)), min_size=2, max_size=8
)


@given(requests, st.sampled_from([LISTENER, "unix:/run/front.sock"]))
def test_each_request_has_gunicorns_environment(
    sequence: list[tuple[bytes, list[bytes]]], listener: Any
) -> None:
    source, cfg = Sink(), Config()
    parser = Parser(cfg, source, ADDRESS)
    for line, fields in sequence:
        head = b"\r\n".join([line, *fields, b"", b""])
        found = read_next(parser, source, head)
        _, environ = begin_answer(found, source, ADDRESS, listener, cfg)
        assert list_own(environ) == build_alone(head, listener)
        assert environ["wsgi.input"] is found.body
        environ["REMOTE_ADDR"] = environ["werkzeug.request"] = "of this request alone"


def test_a_repeated_head_is_read_once_and_a_large_one_is_not_kept() -> None:
    source, cfg = Sink(), Config()
    parser = Parser(cfg, source, ADDRESS)
    small, large = (b"\r\n".join([LINES[0], *HEADS[i], b"", b""]) for i in (1, 6))
    first, second = (read_next(parser, source, small) for _ in range(2))
    assert first.head is second.head is not None
    assert read_next(parser, source, large).head is None
    assert parser.unreader.last_head is None


def test_a_prefix_is_taken_off_each_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPT_NAME", "/shop")
    source, cfg = Sink(), Config()
    parser = Parser(cfg, source, ADDRESS)
    for path in ("a", "b"):
        head = b"GET /shop/%s HTTP/1.1\r\n%s\r\n\r\n" % (path.encode(), HOST)
        found = read_next(parser, source, head)
        _, environ = begin_answer(found, source, ADDRESS, LISTENER, cfg)
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", f"/{path}")


def begin(cfg: Any = None) -> tuple[Sink, Answer, dict[str, Any]]:
    """Return an answer to a request, and who gets it."""
    source, cfg = Sink(), cfg or Config()
    head = b"\r\n".join([LINES[0], HOST, b"", b""])
    found = read_next(Parser(cfg, source, ADDRESS), source, head)
    return source, *begin_answer(found, source, ADDRESS, LISTENER, cfg)


def test_the_head_of_an_answer_is_gunicorns() -> None:
    def app(_environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("Content-Length", "2"), ("Connection", "close"), ("X-A", "b")])
        return [b"{}"]

    source, answer, environ = begin()
    send_answer(app, answer, environ)
    head, _, body = source.received.decode().partition("\r\n\r\n")
    assert body == "{}"
    date = re.search("Date: (.*)\r\n", head)
    assert date
    assert parsedate_to_datetime(date[1])
    theirs = wsgi.Response(answer.req, source, Config())
    theirs.start_response("200 OK", [("Content-Length", "2"), ("Connection", "close")])
    expected = "".join(theirs.default_headers())
    assert re.sub("Date: .*\r\n", "", head) == re.sub(
        "Date: .*\r\n", "", f"{expected}Content-Length: 2\r\nX-A: b"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Location", "/a\r\nSet-Cookie: b"),
        ("Location", "/a\n"),
        ("Location", "\N{SNOWMAN}"),
        ("Location", "\0"),
        ("A b", "c"),
        ("A:b", ""),
        ("", "c"),
        ("A\r\nB", "c"),
    ],
)
def test_a_field_that_would_be_read_as_more_is_not_sent(name: str, value: str) -> None:
    def app(_environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("Content-Length", "0"), (name, value)])
        return []

    source, answer, environ = begin()
    with pytest.raises(InvalidResponseHeader):
        send_answer(app, answer, environ)
    assert not source.received


class Parts:
    """A body that breaks off, or not, and is closed in any case."""

    def __init__(self, *parts: bytes, error: Exception | None = None) -> None:
        self.parts, self.error, self.closed = parts, error, False

    def __iter__(self) -> Any:
        yield from self.parts
        if self.error:
            raise self.error

    def close(self) -> None:
        """Note it."""
        self.closed = True


@pytest.mark.parametrize(
    ("parts", "error", "raised"),
    [
        ((b"a",), ValueError(), ConnectionAbortedError),
        ((), ValueError(), ValueError),
        ((b"a",), TimeoutError(), TimeoutError),
    ],
)
def test_a_body_that_breaks_off_ends_the_connection(
    parts: tuple[bytes, ...], error: Exception, raised: type[Exception]
) -> None:
    body = Parts(*parts, error=error)

    def app(_environ: Any, start: Any) -> Parts:
        start("200 OK", [])
        return body

    source, answer, environ = begin()
    with pytest.raises(raised):
        send_answer(app, answer, environ)
    assert body.closed
    assert not source.received.endswith(b"0\r\n\r\n")


def ask_for_worker(front: Front) -> str:
    """Return the process that answers."""
    return str(front.get("/pid").json()["pid"])


def test_a_worker_leaves_after_its_requests_and_loses_none(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--max-requests", "20") as front:
        first, workers = front.connect(), set[str]()
        for _ in range(19):
            assert front.ask(request("GET", "/livez"), first).status == 200
        while len(workers) < 2:
            workers.add(ask_for_worker(front))
        assert is_closed(first)


def test_each_answer_is_counted_by_gunicorns_statsd(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(PATIENCE_SECONDS)
        host = f"127.0.0.1:{statsd.getsockname()[1]}"
        with gunicorn(tmp_path, "--statsd-host", host) as front:
            assert front.get("/livez").status == 200
            while not (found := statsd.recv(4096)).startswith(b"gunicorn.requests"):
                pass
    assert found.startswith(b"gunicorn.requests:1")

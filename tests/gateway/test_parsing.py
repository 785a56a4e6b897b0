"""What a connection remembers of its heads: each is read as if it were the first."""

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.parsing import KNOWN_LINES, Parser

ADDRESS = ("192.0.2.1", 4000)
HOST = b"Host: shop.example"
LINES = [
    HOST,
    b"host: other.example",
    b"Content-Type: application/json",
    b"Content-Type: text/plain",
    b"Content-Length: 0",
    b"content-length: 00",
    b"Content-Length: -1",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Expect: 100-continue",
    b"Expect: more",
    b"Connection: close",
    b"User-Email:  ada@example.com \t",
    b"User_Email: eve@example.com",
    b"SCRIPT_NAME: /x",
    b"X-Forwarded-Proto: https",
    b"Accept: a",
    b"Accept: b",
    b" folded",
    b"\tfolded: 1",
    b"no colon",
    b": no name",
    b"Space : 1",
    b"Zero: \0",
    b"Latin: \xe9",
    b"Long: " + b"x" * 600,
]


class Socket:
    """A client that has sent all there is to read."""

    reading: Any = None

    def __init__(self, data: bytes) -> None:
        self.data = data

    def recv(self, size: int) -> bytes:
        """Return the whole head, as one segment would bring it."""
        data, self.data = self.data, b""
        return data


def write_head(lines: list[bytes]) -> bytes:
    """Return a request without a body."""
    return b"\r\n".join([b"GET / HTTP/1.1", *lines, b"", b""])


def read(parser: Any, source: Socket, head: bytes) -> Any:
    """Return what is read of a head, or the kind of its refusal."""
    source.data = head
    parser.mesg = None  # as if the request before had ended well
    parser.unreader.take_buffered()
    try:
        found = next(parser)
    except errors.ParseException as error:
        return type(error)
    return found.headers, found.scheme, found._expected_100_continue, type(found.body.reader)


def read_alone(head: bytes) -> Any:
    """Return what is to be read of a head that is a connection's first: what gunicorn reads.

    But gunicorn takes bodies that are packed and chunked, and leaves them packed.
    """
    source = Socket(b"")
    found = read(RequestParser(Config(), source, ADDRESS), source, head)
    if isinstance(found, tuple) and ("TRANSFER-ENCODING", "gzip") in found[0]:
        return errors.UnsupportedTransferCoding
    return found


heads = st.lists(st.sampled_from(LINES), min_size=0, max_size=6).map(lambda lines: [HOST, *lines])


@given(st.lists(heads, min_size=2, max_size=8))
def test_each_head_is_read_as_if_it_were_the_first(sequence: list[list[bytes]]) -> None:
    source = Socket(b"")
    parser = Parser(Config(), source, ADDRESS)
    for lines in sequence:
        head = write_head(lines)
        assert read(parser, source, head) == read_alone(head)


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_alike_each_time(line: bytes) -> None:
    source = Socket(b"")
    parser = Parser(Config(), source, ADDRESS)
    head = write_head([HOST, line] if line != HOST else [HOST])
    assert {str(read(parser, source, head)) for _ in range(3)} == {str(read_alone(head))}


@pytest.mark.parametrize(("said", "read_as"), [("1.0", (1, 0)), ("1.1", (1, 1)), ("1.2", (1, 1))])
def test_a_later_minor_version_is_read_as_the_highest_that_is_known(
    said: str, read_as: tuple[int, int]
) -> None:
    source = Socket(b"GET / HTTP/%s\r\n%s\r\n\r\n" % (said.encode(), HOST))
    assert next(Parser(Config(), source, ADDRESS)).version == read_as


def test_more_lines_than_may_be_are_refused_though_each_is_known() -> None:
    source, few = Socket(b""), [b"Accept: x", b"Accept: y"]
    parser = Parser(Config(), source, ADDRESS)
    read(parser, source, write_head([HOST, *few]))
    assert read(parser, source, write_head([HOST, *few * 50])) is errors.LimitRequestHeaders


def test_little_is_remembered() -> None:
    source = Socket(b"")
    parser = Parser(Config(), source, ADDRESS)
    for number in range(5 * KNOWN_LINES):
        read(parser, source, write_head([HOST, b"Idempotency-Key: %d" % number]))
        assert len(parser.unreader.known_lines) <= KNOWN_LINES
    read(parser, source, write_head([HOST, b"Long: " + b"x" * 600]))
    assert all(len(line) < 600 for line in parser.unreader.known_lines)


def test_no_peer_sets_what_proxies_set() -> None:
    """By a Unix socket gunicorn would trust the peer."""
    source = Socket(b"")
    parser = Parser(Config(), source, "")
    kind = read(parser, source, write_head([HOST, b"SCRIPT_NAME: /x"]))
    assert ("SCRIPT_NAME", "/x") not in kind[0]

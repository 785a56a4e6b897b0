"""Request bodies: chunked, compressed, too large, and the costliest ones."""

import gzip
import hashlib
import json
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.exceptions import RequestEntityTooLarge

from chassis.errors import Invalid
from chassis.messages.reader import MAX_NODES, Reader
from gateway import MAX_BODY_BYTES, oauth, orders, sessions, subscriptions
from gateway.bodies import read_body
from gateway.pages import exam
from tests.gateway.front import POST, TYPES, front, read_faults
from tests.gateway.real_front import Front, answer, gunicorn, is_closed, request
from tests.gateway.test_worker import ECHO
from tests.serving import SERVICES

DIALECTS = pytest.mark.parametrize("dialect", SERVICES)
MIB = 1024 * 1024
LIMIT = "The body exceeds the limit of 1048576 bytes."
NO_GZIP = "The body is not gzip."
CPU_SECONDS = 0.05  # that a body may take, on any machine that runs the tests


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One real worker."""
    with gunicorn(tmp_path_factory.mktemp("bodies"), discard_seconds=10) as running:
        yield running


@pytest.fixture(scope="module")
def alone() -> Iterator[FlaskClient]:
    """A client of a gateway before dead services, with a route that echoes."""
    with front() as client:
        app = client.application
        app.add_url_rule("/echo", "echo", lambda: (read_body(), 200), methods=["POST"])
        yield client


def encode_chunked(body: bytes, *sizes: int) -> bytes:
    """A body in chunks of these sizes, and a last one of what is left."""
    pieces, rest = [], body
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    pieces.append(rest)
    framed = (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return b"".join(framed) + b"0\r\n\r\n"


def read_echo(body: bytes) -> dict[str, Any]:
    """Return the parsed echo of a body."""
    return {"bytes": len(body), "sha": hashlib.sha256(body).hexdigest()}


@DIALECTS
@pytest.mark.parametrize("body", [b"", b"{}", b'{"a":1}' * 1000, random.Random(1).randbytes(MIB)])
def test_a_chunked_body_is_read(real: Front, dialect: str, body: bytes) -> None:
    client = real.connect()
    for sizes in ((), (1, 2, 3), (1000, 70_000)):
        sent = request(
            "POST", ECHO[dialect], encode_chunked(body, *sizes), Transfer_Encoding="chunked"
        )
        assert real.ask(sent, client).json() == read_echo(body)
    assert real.ask(request("POST", ECHO[dialect], body), client).json() == read_echo(body)


def test_a_chunked_body_may_have_extensions_and_trailers(real: Front) -> None:
    body = b'2;name="value"\r\n{}\r\n0\r\nDigest: x\r\n\r\n'
    sent = request("POST", "/v1/echo", body, Transfer_Encoding="chunked")
    assert real.ask(sent).json() == read_echo(b"{}")


def test_a_client_that_expects_100_gets_it(real: Front) -> None:
    client = real.connect()
    client.sendall(request("POST", "/v1/echo", Expect="100-continue", Content_Length="2"))
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert real.ask(b"{}", client).json() == read_echo(b"{}")


@DIALECTS
@pytest.mark.parametrize("megabytes", [2, 8, 30])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_client_that_writes_all_before_it_reads_learns_that_it_is_too_much(
    real: Front, dialect: str, megabytes: int, framing: str
) -> None:
    body = b"x" * (megabytes * MIB)
    client = real.connect()
    if framing == "chunks":
        body = encode_chunked(body, *[65536] * (megabytes * 16 - 1))
        client.sendall(request("POST", ECHO[dialect], Transfer_Encoding="chunked"))
    else:
        client.sendall(request("POST", ECHO[dialect], Content_Length=str(len(body))))
    client.sendall(body)
    found = answer(client)
    assert (found.status, found.headers["content-type"]) == (413, TYPES[dialect])
    assert LIMIT in found.body.decode()
    assert found.headers["connection"] == "close"
    assert is_closed(client)


def test_one_byte_beyond_the_limit_is_too_much(real: Front) -> None:
    for sent in (
        request("POST", "/v1/echo", b"x" * (MIB + 1)),
        request(
            "POST", "/v1/echo", encode_chunked(b"x" * (MIB + 1), MIB), Transfer_Encoding="chunked"
        ),
    ):
        assert real.ask(sent).status == 413


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_nobody_sends_without_end(real: Front, framing: str) -> None:
    client = real.connect()
    if framing == "chunks":
        client.sendall(request("POST", "/v1/echo", Transfer_Encoding="chunked"))
    else:
        client.sendall(request("POST", "/v1/echo", Content_Length=str(10**12)))
    piece = b"%x\r\n%s\r\n" % (65536, b"x" * 65536)
    assert count_bytes_sent(client, piece) < 64 * MIB


def test_chunks_that_are_all_extension_end_too(real: Front) -> None:
    client = real.connect()
    client.sendall(request("POST", "/v1/echo", Transfer_Encoding="chunked"))
    piece = (b"1;x=" + b"y" * 8000 + b"\r\nz\r\n") * 8
    assert count_bytes_sent(client, piece) < 128 * MIB


def count_bytes_sent(client: socket.socket, piece: bytes) -> int:
    """Send a piece repeatedly; return how many bytes the other side accepted."""
    sent = 0
    with suppress(OSError):
        while sent < 1024 * MIB:
            client.sendall(piece)
            sent += len(piece)
    return sent


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/v1/none", 404), ("PATCH", "/v1/orders", 405)]
)
def test_a_body_that_nobody_reads_keeps_the_connection_if_it_is_small(
    real: Front, method: str, path: str, status: int
) -> None:
    client = real.connect()
    small = real.ask(request(method, path, b"x" * 1000), client)
    assert (small.status, small.headers["connection"]) == (status, "keep-alive")
    large = real.ask(request(method, path, b"x" * (4 * MIB)), client)
    assert (large.status, large.headers["connection"]) == (status, "close")
    assert is_closed(client)


def test_a_body_that_ends_early_is_no_shorter_body(real: Front) -> None:
    client = real.connect()
    client.sendall(request("POST", "/v1/echo", Content_Length="10") + b"{}")
    client.shutdown(socket.SHUT_WR)
    found = answer(client)
    assert (found.status, found.json()["error"]["message"]) == (
        400,
        "The body is shorter than its Content-Length.",
    )


@DIALECTS
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
def test_a_packed_body_is_unpacked(real: Front, dialect: str, coding: str) -> None:
    body = json.dumps({"a": list(range(10_000))}).encode()
    packed = gzip.compress(body)
    client = real.connect()
    plain = request("POST", ECHO[dialect], packed, Content_Encoding=coding)
    parts = request(
        "POST",
        ECHO[dialect],
        encode_chunked(packed, 10, 1000),
        Content_Encoding=coding,
        Transfer_Encoding="chunked",
    )
    assert real.ask(plain, client).json() == real.ask(parts, client).json() == read_echo(body)


@DIALECTS
@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "identity, gzip", "*"])
def test_another_coding_is_not_supported(alone: FlaskClient, dialect: str, coding: str) -> None:
    refused = alone.post(POST[dialect], data=b"{}", headers={"Content-Encoding": coding})
    assert (refused.status_code, refused.content_type) == (415, TYPES[dialect])
    assert read_faults(dialect, refused) == [
        (None, "Send the body as it is, or with Content-Encoding: gzip.")
    ]


def post(client: FlaskClient, body: bytes, coding: str = "gzip", path: str = "/echo") -> Any:
    """The answer to a body in a coding."""
    return client.post(path, data=body, headers={"Content-Encoding": coding})


def test_exactly_the_limit_may_be_packed(alone: FlaskClient) -> None:
    body = b"x" * MAX_BODY_BYTES
    assert post(alone, gzip.compress(body)).data == body
    over = post(alone, gzip.compress(body + b"x"), path="/v1/orders")
    assert (over.status_code, read_faults("orders", over)) == (413, [(None, LIMIT)])


@pytest.mark.parametrize("body", [b"{}", b"", b"\xef\xbb\xbf{}"])
def test_a_byte_order_mark_is_skipped(alone: FlaskClient, body: bytes) -> None:
    text = body.removeprefix(b"\xef\xbb\xbf")
    for coding, sent in (("", body), ("identity", body), ("gzip", gzip.compress(body))):
        assert post(alone, sent, coding).data == text


def test_only_one_byte_order_mark_is_skipped(alone: FlaskClient) -> None:
    assert post(alone, b"\xef\xbb\xbf" * 2, "").data == b"\xef\xbb\xbf"


GZIPPED = gzip.compress(b"{}", mtime=0)  # the same for all workers: it names tests


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        GZIPPED[:-1],
        GZIPPED[:5],
        GZIPPED + b"x",
        GZIPPED * 2,
        GZIPPED[:-8] + b"\x00" * 8,
        zlib.compress(b"{}"),
    ],
)
def test_what_is_not_gzip_is_malformed(alone: FlaskClient, body: bytes) -> None:
    with (
        pytest.raises(Invalid) as raised,
        alone.application.test_request_context(
            "/v1/orders", method="POST", data=body, headers={"Content-Encoding": "gzip"}
        ),
    ):
        read_body()
    assert [fault.message for fault in raised.value.faults] == [NO_GZIP]


def fill_body(head: bytes, unit: bytes, tail: bytes, size: int = MAX_BODY_BYTES) -> bytes:
    """A body of a size: a head, a unit again and again, and a tail."""
    return head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail


def find_readers() -> dict[str, Reader[Any]]:
    """Every reader of a body or a query."""
    return {
        f"{module.__name__}.{name}": each
        for module in (orders, sessions, subscriptions, oauth, exam)
        for name, each in vars(module).items()
        if isinstance(each, Reader)
    }


def list_costly_bodies(reader: Reader[Any]) -> Iterator[tuple[str, bytes]]:
    """Yield bodies of up to 1 MiB that are costly to read or to refuse."""
    distinct = b",".join(b'"%x":1' % number for number in range(MAX_NODES - 2))
    deep = b"[" * 900 + b"]" * 900
    yield "duplicates", fill_body(b'{"a":0', b',"a":0', b"}")
    yield "fewer duplicates", b'{"a":0' + b',"a":0' * (MAX_NODES - 2) + b"}"
    yield "distinct keys", b"{" + distinct + b"}"
    near = next(iter(reader.shape), "x").encode() * 3
    alike = b",".join(b'"%s%x":1' % (near[:40], number) for number in range(MAX_NODES - 2))
    yield (
        "unknown keys like a known one",
        b"{" + alike[: MAX_BODY_BYTES - 10].rpartition(b",")[0] + b"}",
    )
    yield "lines", fill_body(b'{"a":1,', b"\n", b"}")
    yield "cut short", fill_body(b'{"a":[1', b",[1]", b"")
    yield "cut short, small", fill_body(b'{"a":[1', b",1", b"", 60_000)
    yield "not UTF-8", fill_body('{"é":"'.encode(), "é".encode(), b'\xff"}')
    yield "arrays", fill_body(b'{"a":[[]', b",[]", b"]}")
    yield "deep arrays", fill_body(b'{"a":[' + deep, b"," + deep, b"]}")
    yield "deepest", b"[" * (MAX_BODY_BYTES // 2) + b"]" * (MAX_BODY_BYTES // 2)
    yield "deepest objects", b'{"a":' * 170_000 + b"1" + b"}" * 170_000
    yield "numbers", fill_body(b'{"a":[1e1', b",1e1", b"]}")
    yield "digits", fill_body(b'{"a":', b"9", b"}")
    yield "escapes", fill_body(b'{"a":"', b"\\u0041", b'"}')
    yield "colons", fill_body(b'{"a":"', b":", b'"}')
    yield "spaces", fill_body(b"", b" ", b"{}")
    for name, (kind, repeats) in reader.shape.items():
        key = name.encode()
        twice = b',"%s":null' % key
        yield f"{name} again and again", b'{"%s":null' % key + twice * (MAX_NODES - 2) + b"}"
        if repeats:
            yield f"100,000 {name}", b'{"%s":[""%s]}' % (key, b',""' * 99_999)
            yield f"{name} of texts", fill_body(b'{"%s":[""' % key, b',""', b"]}")
            yield f"{name} of texts, twice", fill_body(b'{"%s":[""' % key, b',""', b"]%s}" % twice)
            yield f"{name} with a last fault", fill_body(b'{"%s":[""' % key, b',""', b",1]}")
            yield f"{name} with many faults", fill_body(b'{"%s":[1' % key, b',"",""', b",1]}")
            objects = b"{}," * (MAX_NODES - 10)
            yield f"{name} of objects", b'{"%s":[%s{}]}' % (key, objects)
            yield f"{name} of objects, twice", b'{"%s":[%s{}]%s}' % (key, objects, twice)
            yield f"{name} of objects and a fault", b'{"%s":[%s1]}' % (key, objects)
        elif kind is str:
            yield f"{name} of escapes", fill_body(b'{"%s":"' % key, b"\\n", b'"}')
            yield f"{name}, twice", fill_body(b'{"%s":"' % key, b"\\n", b'"%s}' % twice)
        elif name in reader.raw:
            yield f"{name} of numbers, twice", fill_body(b'{"%s":[1' % key, b",1", b"]%s}" % twice)


def holds_the_loop(act: Callable[[], object]) -> bool:
    """Whether in each of three runs this thread's CPU time was too long."""
    for _ in range(3):
        begun = time.thread_time()
        act()
        if time.thread_time() - begun < CPU_SECONDS:
            return False
    return True


@pytest.mark.parametrize("name", find_readers())
def test_no_body_holds_the_loop(name: str) -> None:
    reader = find_readers()[name]

    for what, body in list_costly_bodies(reader):
        assert len(body) <= MAX_BODY_BYTES
        lengths: list[int] = []

        def read(body: bytes = body, lengths: list[int] = lengths) -> None:
            try:
                reader.read(body)
            except Invalid as invalid:
                lengths.append(sum(len(each.path) + len(each.message) for each in invalid.faults))

        assert not holds_the_loop(read), what
        assert max(lengths, default=0) < 50_000, what


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"x" * (64 * MIB)),
        gzip.compress(random.Random(1).randbytes(MAX_BODY_BYTES - 1000), 0),
        gzip.compress(b"") * 50_000,
        fill_body(b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03", b"x", b""),
    ],
    ids=["bomb", "stored", "members", "name without end"],
)
def test_no_packed_body_holds_the_loop(alone: FlaskClient, body: bytes) -> None:
    assert len(body) <= MAX_BODY_BYTES
    with alone.application.test_request_context(
        "/v1/orders", method="POST", data=body, headers={"Content-Encoding": "gzip"}
    ) as context:

        def read() -> None:
            context.request.environ["wsgi.input"].seek(0)
            with suppress(Invalid, RequestEntityTooLarge):
                read_body()

        assert not holds_the_loop(read)


def test_while_a_large_body_comes_others_are_served(real: Front) -> None:
    body = gzip.compress(random.Random(1).randbytes(MAX_BODY_BYTES - 1000), 0)
    statuses: list[int] = []

    def upload() -> None:
        for _ in range(5):
            statuses.append(
                real.ask(request("POST", "/v1/echo", body, Content_Encoding="gzip")).status
            )

    uploads = [threading.Thread(target=upload) for _ in range(4)]
    for each in uploads:
        each.start()
    assert [real.get("/livez").status for _ in range(20)] == [200] * 20
    for each in uploads:
        each.join()
    assert statuses == [200] * 20

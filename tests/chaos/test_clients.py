"""Clients that stall, flood or never read, before the whole product: the others notice nothing."""

import gzip
import json
import os
import select
import socket
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.server.limits import from_environment
from tests.chaos.product import ROOT, WRITES, Answer, Caller, Product, wait_for
from tests.chaos.test_killed import run_another

IS_LONG = os.environ.get("CHAOS") == "long"
SHORT_LIMITS = {"head_seconds": 1, "body_seconds": 2, "write_seconds": 2, "discard_seconds": 1}
ORDER = (ROOT / "demo/order.json").read_bytes()
MIB = 1024 * 1024
QUIET_SECONDS = 0.3  # after which a side takes no more
POST = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\n"
STALLING = {
    "a half head": POST + b"X-Half: ",
    "nothing": b"",
    "a head without its body": POST + b"Content-Length: 900\r\n\r\n{",
    "half a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
}


def connect(front: str) -> socket.socket:
    """A connection to a gateway that takes little before it is read."""
    host, _, port = front.rpartition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect((host, int(port)))
    return client


@contextmanager
def stalled(front: str, count: int, begun: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this, and send no more."""
    clients = [connect(front) for _ in range(count)]
    try:
        for client in clients:
            client.sendall(begun)
        yield clients
    finally:
        for client in clients:
            client.close()


def probe(product: Product, times: int = 5) -> None:
    """Write to each API on connections of their own."""
    for _ in range(times):
        for service in WRITES:
            found = product.write(service)
            assert found.status == 201, found


@pytest.mark.parametrize("count", [24, 300])
def test_half_open_connections_stop_nobody(product: Product, count: int) -> None:
    with stalled(product.front, count, STALLING["a half head"]):
        probe(product)


def test_slow_bodies_stop_nobody(product: Product) -> None:
    with (
        stalled(product.front, 64, STALLING["a head without its body"]),
        stalled(product.front, 64, STALLING["half a chunk"]),
    ):
        probe(product)


@contextmanager
def readers_that_never_read(front: str, count: int = 24) -> Iterator[list[socket.socket]]:
    """Connections that ask for a large answer again and again, and read none of it."""
    asked = b"GET /openapi/orders.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    with stalled(front, count, b"") as clients:
        for client in clients:
            client.setblocking(False)
        taking = set(clients)
        while ready := select.select([], taking, [], QUIET_SECONDS)[1]:
            for client in ready:
                try:
                    client.send(asked)
                except BlockingIOError:
                    pass
                except ConnectionError:  # ended, where it took too long
                    taking.remove(client)
        yield clients


def test_readers_that_never_read_stop_nobody(product: Product) -> None:
    with readers_that_never_read(product.front):
        probe(product)


def is_ended(client: socket.socket) -> bool:
    """Whether the other side has ended the connection."""
    watch = select.poll()
    watch.register(client, 0)
    if watch.poll(0):  # POLLHUP or POLLERR
        return True
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@contextmanager
def front_with_limits(product: Product) -> Iterator[str]:
    """The product's gateway in `make chaos`; else another one, whose limits are seconds."""
    if IS_LONG:
        yield product.front
        return
    environment = {"TEST_LIMITS": json.dumps(SHORT_LIMITS)}
    with run_another(product, "tests.gateway.short_conf", **environment) as (address, _):
        yield address


def test_every_stalled_connection_is_ended(product: Product) -> None:
    with (
        front_with_limits(product) as front,
        stalled(front, 4, STALLING["nothing"]) as silent,
        stalled(front, 4, STALLING["a half head"]) as heads,
        stalled(front, 4, STALLING["a head without its body"]) as bodies,
        stalled(front, 4, STALLING["half a chunk"]) as chunks,
        readers_that_never_read(front, 2) as readers,
    ):
        for client in (*silent, *heads, *bodies, *chunks):
            wait_for(lambda client=client: is_ended(client), "it stays open")  # type: ignore[misc]
        watch = select.poll()
        for client in readers:
            watch.register(client, 0)
            assert watch.poll(60_000), "it stays open"
            watch.unregister(client)


def test_by_default_a_head_has_ten_seconds_and_the_rest_half_a_minute() -> None:
    found = from_environment()
    assert (found.head_seconds, found.body_seconds, found.write_seconds) == (10, 30, 30)


def in_chunks(body: bytes) -> bytes:
    """A body as chunks of odd sizes."""
    pieces = [body[at : at + 777] for at in range(0, len(body), 777)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def send_whole(product: Product, headers: dict[str, str], body: bytes) -> Answer:
    """The answer to a POST of an order that is written whole before anything is read."""
    named = product.credentials("orders") | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    client = connect(product.front)
    client.sendall(f"POST /v1/orders HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body)
    with client, client.makefile("rb") as answer:
        status = int(answer.readline().split()[1])
        given = {}
        while (line := answer.readline().decode().strip()) != "":
            name, _, value = line.partition(": ")
            given[name.lower()] = value
        return Answer(status, given, answer.read(int(given["content-length"])))


FORMS: dict[str, tuple[dict[str, str], Callable[[bytes], bytes]]] = {
    "chunked": ({"Transfer-Encoding": "chunked"}, in_chunks),
    "gzip": ({"Content-Encoding": "gzip"}, gzip.compress),
    "a byte order mark": ({}, lambda body: BOM_UTF8 + body),
    "all three": (
        {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"},
        lambda body: in_chunks(gzip.compress(BOM_UTF8 + body)),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_order_comes_in_every_form(product: Product, form: str) -> None:
    headers, pack = FORMS[form]
    body = pack(ORDER)
    if "Transfer-Encoding" not in headers:
        headers = headers | {"Content-Length": str(len(body))}
    found = send_whole(product, headers, body)
    assert found.status == 201, found
    assert json.loads(found.body)["id"].startswith("ord_")


@pytest.mark.parametrize("size", [4 * MIB, 20 * MIB])
@pytest.mark.parametrize("chunked", [False, True])
def test_who_writes_all_before_reading_is_told_that_it_is_too_much(
    product: Product, size: int, chunked: bool
) -> None:
    body = b'{"note": "' + b"x" * size + b'"}'
    if chunked:
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        found = send_whole(product, {"Transfer-Encoding": "chunked"}, framed)
    else:
        found = send_whole(product, {"Content-Length": str(len(body))}, body)
    assert found.status == 413
    assert found.headers["connection"] == "close"
    assert found.headers["content-type"] == "application/json"


def test_another_coding_is_refused_and_a_bomb_is_too_much(product: Product) -> None:
    for coding, body, status in (
        ("br", ORDER, 415),
        ("gzip", gzip.compress(b" " * 100 * MIB), 413),
    ):
        headers = {"Content-Encoding": coding, "Content-Length": str(len(body))}
        assert send_whole(product, headers, body).status == status


def test_a_million_repeated_keys_are_few_faults(product: Product) -> None:
    body = b"{" + b",".join(b'"a%d":1,"a%d":1' % (n, n) for n in range(50_000)) + b"}"
    found = send_whole(product, {"Content-Length": str(len(body))}, body)
    assert found.status in (400, 413)
    assert len(found.body) < 64 * 1024


def test_what_the_server_cannot_read_is_refused_in_the_form_of_the_api(product: Product) -> None:
    host = b"Host: x\r\n"
    for sent, status in (
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET /v1/orders HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/orders HTTP/1.1\r\n" + host + b"X: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (
            b"POST /v1/orders HTTP/1.1\r\n"
            + host
            + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ):
        with connect(product.front) as client, client.makefile("rb") as answer:
            client.sendall(sent)
            head, _, body = answer.read().partition(b"\r\n\r\n")
        assert int(head.split()[1]) == status, (sent[:60], head)
        assert b"\r\nx-request-id: " in head.lower()
        assert b"json" in head
        json.loads(body)


def test_a_forgotten_proxy_is_named_once_by_each_worker(product: Product) -> None:
    clients = [Caller(product.front) for _ in range(40)]
    for _ in range(3):
        for client in clients:
            assert client.ask("GET", "/livez", X_Forwarded_For="10.0.0.1").status == 200
    for client in clients:
        client.close()
    wait_for(lambda: "GATEWAY_PROXIES" in product.log("gateway"), "nothing was logged")
    assert 1 <= product.log("gateway").count("GATEWAY_PROXIES") <= 2
    assert 1 <= product.lines().count("GATEWAY_PROXIES") <= 2

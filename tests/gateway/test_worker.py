"""The gateway's worker: hostile clients, and its own answers in place of gunicorn's."""

import json
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.front import TYPES
from tests.gateway.real_front import (
    PATIENCE_SECONDS,
    Answer,
    Front,
    answer,
    gunicorn,
    has_answered,
    is_closed,
    request,
)
from tests.serving import SERVICES

ECHO = {
    "sessions": "/api/v2/partners/echo",
    "orders": "/v1/echo",
    "subscriptions": "/api/public/v1/echo",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Run one worker with waits of at most two seconds."""
    folder = tmp_path_factory.mktemp("front")
    bounds: dict[str, Any] = {
        "connections": 1000,
        "head_seconds": 1,
        "body_seconds": 2,
        "body_bytes_per_second": 1000,
        "write_seconds": 1,
        "discard_seconds": 1,
    }
    with gunicorn(folder, "--keep-alive", "1", **bounds) as front:
        yield front


@pytest.fixture
def front(running: Front) -> Iterator[Front]:
    """That worker, without the connections of other tests."""
    yield running
    running.hang_up()


def read_words(dialect: str, found: Answer) -> str:
    """Return the text of an error body in any form."""
    body = found.json()
    if dialect == "sessions":
        assert body["status"] == found.status
        return str(body["detail"])
    if dialect == "orders":
        return str(body["error"]["message"])
    return str(body["errors"][0]["title"])


def test_it_works(front: Front) -> None:
    client = front.connect()
    for _ in range(3):
        found = front.get("/livez", client)
        assert (found.status, found.json()) == (200, {"status": "ok"})
        assert found.headers["connection"] == "keep-alive"


def test_requests_in_one_packet_are_answered_in_turn(front: Front) -> None:
    client = front.connect()
    ids = [f"id-{number}" for number in range(50)]
    client.sendall(b"".join(request("GET", "/livez", X_Request_Id=each) for each in ids))
    data = b""
    while data.count(b"HTTP/1.1 200 OK") < len(ids) or not data.endswith(b"}\n"):
        data += client.recv(65536)
    assert re.findall(rb"X-Request-Id: (\S+)", data) == [each.encode() for each in ids]


@pytest.mark.parametrize("number", [24, 300])
@pytest.mark.parametrize("sent", [b"", b"GET /v1/orders HTTP/1.1\r\nHost:", b"\r"])
def test_half_open_connections_stop_nobody(front: Front, number: int, sent: bytes) -> None:
    half_open = [front.connect() for _ in range(number)]
    for client in half_open:
        client.sendall(sent)
    assert [front.get("/livez").status for _ in range(10)] == [200] * 10
    assert all(is_closed(client) for client in half_open)


def test_a_head_that_comes_in_drops_ends_all_the_same(front: Front) -> None:
    client = front.connect()
    client.sendall(b"GET /v1/labs HTTP/1.1\r\n")
    assert _drip(client, b"Host: x\r\nX-Slow: " + b"x" * 1000) < 1000
    late = answer(client)
    assert (late.status, late.headers["content-type"]) == (408, "application/json")
    assert read_words("orders", late) == "The request did not arrive in time."
    assert is_closed(client)


def test_a_second_head_has_no_more_time_than_the_first(front: Front) -> None:
    client = front.connect()
    assert front.get("/livez", client).status == 200
    assert _drip(client, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 1000) < 1000
    assert answer(client).status == 408


def _drip(client: socket.socket, data: bytes) -> int:
    """Send byte by byte until an answer arrives; return how many were sent."""
    for number in range(len(data)):
        if has_answered(client, 0.1):
            return number
        client.sendall(data[number : number + 1])
    return len(data)


@pytest.mark.parametrize("first", [b"", request("GET", "/livez")])
def test_a_connection_without_a_request_is_closed_without_a_word(
    front: Front, first: bytes
) -> None:
    client = front.connect()
    if first:
        front.ask(first, client)
    client.settimeout(PATIENCE_SECONDS)
    assert client.recv(1) == b""


@pytest.mark.parametrize("dialect", SERVICES)
def test_a_body_that_comes_in_drops_is_refused(front: Front, dialect: str) -> None:
    client = front.connect()
    client.sendall(request("POST", ECHO[dialect], Content_Length="1000"))
    assert _drip(client, b"x" * 1000) < 1000
    late = answer(client)
    assert (late.status, late.headers["content-type"]) == (408, TYPES[dialect])
    assert read_words(dialect, late) == "The body did not arrive in time."
    assert is_closed(client)


def test_a_body_that_comes_fast_enough_may_take_longer(front: Front) -> None:
    client = front.connect()
    client.sendall(request("POST", "/v1/echo", Content_Length="30000"))
    for _ in range(10):
        client.sendall(b"x" * 3000)
        time.sleep(0.25)
    assert answer(client).json()["bytes"] == 30_000


def test_an_answer_that_nobody_reads_ends_the_connection(front: Front) -> None:
    client = front.connect()
    client.sendall(request("GET", "/large/50000000"))
    watch = select.poll()
    watch.register(client, select.POLLERR | select.POLLHUP)
    assert watch.poll(PATIENCE_SECONDS * 1000)


def test_an_answer_that_is_read_slowly_comes_whole(front: Front) -> None:
    client = front.connect()
    client.sendall(request("GET", "/large/20000000"))
    size, pause = 0, threading.Event()
    while size < 20_000_000:
        pause.wait(0.1)
        taken = 0
        while taken < 1_000_000 and size + taken < 20_000_000:
            more = client.recv(1_000_000)
            assert more
            taken += len(more)
        size += taken


def test_a_body_of_one_byte_chunks_stops_nobody(front: Front) -> None:
    flood = front.connect()
    flood.sendall(request("POST", "/v1/echo", Transfer_Encoding="chunked"))
    sender = threading.Thread(target=lambda: flood.sendall(b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n"))
    sender.start()
    probes = [front.get("/livez").status for _ in range(3)]
    assert not has_answered(flood)  # it is still being read
    assert probes == [200] * 3
    assert answer(flood).json()["bytes"] == 200_000
    sender.join()


LONG_TEXT = b"x" * 9000
BROKEN: list[tuple[bytes, int]] = [
    (b"nonsense\r\n\r\n", 400),
    (b"GET {} HTTP/1.1\r\n\r\n", 400),  # no host
    (b"GET {} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    (b"get {} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET {} HTTP/9.9\r\nHost: x\r\n\r\n", 505),
    (b"GET {}\x80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET {} HTTP/1.1\nHost: x\n\n", 400),
    (b"GET {} HTTP/1.1\r\nHost: x\r\n\x00: y\r\n\r\n", 400),
    (b"GET {} HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    (b"GET {} HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n", 417),
    (b"GET {} HTTP/1.1\r\nHost: x\r\nA: " + LONG_TEXT + b"\r\n\r\n", 431),
    (b"GET {} HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
    (b"GET {} HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"y" * 8000 + b"\r\n" * 1, 408),
    (b"GET {} HTTP/1.1\r\nHost: x\r\n" + (b"A: " + b"y" * 8000 + b"\r\n") * 9 + b"\r\n", 431),
    (b"GET {}" + LONG_TEXT + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
    (b"POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (
        b"POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    (b"POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked, x\r\n\r\n", 501),
    (b"POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (
        b"POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Deflate\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (b"POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked\r\n\r\n", 501),
    (b"POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
    (b"POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", 400),
]
# Where the request ends before its path is known.
NOWHERE = (0, 3, 5, 6, 14)


@pytest.mark.parametrize("dialect", SERVICES)
@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_unreadable_requests_are_refused_in_the_form_of_the_api(
    front: Front, dialect: str, number: int
) -> None:
    sent, status = BROKEN[number]
    client = front.connect()
    found = front.ask(sent.replace(b"{}", ECHO[dialect].encode()), client)
    said = "sessions" if number in NOWHERE else dialect
    assert (found.status, found.headers["content-type"]) == (status, TYPES[said])
    assert read_words(said, found)
    assert re.fullmatch(r"[0-9a-f]{32}", found.headers["x-request-id"])
    assert found.headers["connection"] == "close"
    client.shutdown(socket.SHUT_WR)
    assert is_closed(client)


@pytest.mark.parametrize("dialect", SERVICES)
@pytest.mark.parametrize(
    "host",
    [
        *(b"a..b", b".", b"x" * 64 + b".com", b"ada@shop", b"/", b"[::1", b"[::g]", b"a b"),
        *(b"a:b", b"shop:80:80", b"b\xc3\xbccher.example", b"[127.0.0.1]", b"[::1%lo]"),
        *(b"%zz", b"shop%4"),
    ],
)
def test_a_host_that_no_name_can_be_is_named(front: Front, dialect: str, host: bytes) -> None:
    sent = b"GET " + ECHO[dialect].encode() + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    found = front.ask(sent)
    assert (found.status, found.headers["content-type"]) == (400, TYPES[dialect])
    words = "The Host header field must be a host name or an address, and may name a port."
    assert read_words(dialect, found) == words


@pytest.mark.parametrize(
    "host",
    [
        *(b"[::1]:8080", b"[2001:DB8::1]", b"127.0.0.1:80", b"localhost", b"shop_1.internal:8000"),
        *(b"Shop.Example.", b"shop.example:", b"%73hop", b""),
    ],
)
def test_hosts_by_name_and_by_address_are_served(front: Front, host: bytes) -> None:
    assert front.ask(b"GET /livez HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").status == 200


def test_an_offer_to_change_the_protocol_is_passed_over(front: Front) -> None:
    offer = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    found = front.ask(b"GET /livez HTTP/1.1\r\nHost: shop.example\r\n" + offer + b"\r\n")
    assert found.status == 200


def test_the_head_of_an_answer_has_no_body_and_its_length(front: Front) -> None:
    found = {}
    for method in (b"GET", b"HEAD"):
        client = front.connect()
        client.sendall(method + b" /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while more := client.recv(65536):
            data += more
        found[method], _, body = data.partition(b"\r\n\r\n")
        assert bool(body) is (method == b"GET")
    lengths = [re.findall(rb"Content-Length: \d+", each) for each in found.values()]
    assert lengths[0] == lengths[1] != []


def test_a_refused_request_keeps_its_id_and_is_logged(front: Front) -> None:
    found = front.ask(b"GET /v1/labs?name=Canaryfirst HTTP/1.1\r\nX-Request-Id: mine-1\r\n\r\n")
    assert (found.status, found.headers["x-request-id"]) == (400, "mine-1")
    line = _read_line(front, "mine-1")
    assert (line["event"], line["status"], line["reason"]) == ("request", 400, "BAD_REQUEST")
    assert "Canaryfirst" not in front.lines()


def test_a_refusal_of_head_has_no_body(front: Front) -> None:
    client = front.connect()
    client.sendall(b"HEAD /v1/labs HTTP/1.1\r\n\r\n")
    client.shutdown(socket.SHUT_WR)
    data = b""
    while more := client.recv(65536):
        data += more
    assert data.startswith(b"HTTP/1.1 400 ")
    assert data.endswith(b"\r\n\r\n")


def _read_line(front: Front, request_id: str) -> Any:
    """The line of a request, which is written a little later."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        for line in front.lines().splitlines():
            if f'"{request_id}"' in line:
                return json.loads(line)
        time.sleep(0.02)
    raise AssertionError(front.lines())


def test_a_header_of_a_proxy_that_is_not_ours_is_logged_once(front: Front) -> None:
    for number in range(3):
        front.get("/livez", X_Forwarded_For="203.0.113.7", X_Request_Id=f"forwarded-{number}")
    _read_line(front, "forwarded-2")
    assert front.lines().count("GATEWAY_PROXIES is 0") == 1
    assert "203.0.113.7" not in front.lines()


def test_idle_connections_make_room_for_new_ones(tmp_path: Path) -> None:
    with gunicorn(tmp_path, connections=20) as front:
        clients = []
        for _ in range(60):
            clients.append(front.connect())
            assert front.get("/livez", clients[-1]).status == 200
        assert all(is_closed(client) for client in clients[:40])
        assert front.get("/livez", clients[-1]).status == 200
        silent = [front.connect() for _ in range(60)]
        assert front.get("/livez").status == 200
        assert is_closed(silent[0])


def test_a_request_under_way_makes_room_for_nobody(tmp_path: Path) -> None:
    with gunicorn(tmp_path, connections=10) as front:
        busy = [front.connect() for _ in range(9)]
        for client in busy:
            client.sendall(request("GET", "/sleep/1"))
        for _ in range(20):
            assert front.get("/livez").status == 200
        assert [answer(client).status for client in busy] == [200] * 9


def test_an_address_has_no_more_connections_than_its_cap(tmp_path: Path) -> None:
    with gunicorn(tmp_path, connections_per_address=3) as front:
        clients = [front.connect() for _ in range(3)]
        assert [front.get("/livez", client).status for client in clients] == [200] * 3
        assert is_closed(front.connect())
        clients[0].close()
        assert _until_answered(front).status == 200


def _until_answered(front: Front) -> Answer:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            return front.get("/livez")
        except (OSError, EOFError):
            time.sleep(0.02)
    raise AssertionError("not answered")

"""The gateway's worker when its connections are nearly all taken: who stalls makes room."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.real_front import PATIENCE_SECONDS, Front, answer, gunicorn, is_closed, request

HOURS = 10_000  # a bound in seconds that no test reaches
PATIENT: dict[str, Any] = dict.fromkeys(
    ("head_seconds", "body_seconds", "write_seconds", "discard_seconds", "rest_seconds"), HOURS
)
ADDRESSES = [f"127.0.0.{number}" for number in range(2, 6)]
HEAD = request("POST", "/v1/echo", Content_Length="900")
EXPECTING = request("POST", "/v1/echo", Content_Length="900", Expect="100-continue")
CHUNKED = request("POST", "/v1/echo", Transfer_Encoding="chunked")
LARGE = request("GET", "/large/8000000")
STALLING = {
    "nothing": b"",
    "half a head": HEAD[:-2],
    "a body of one byte": HEAD + b"{",
    "half a chunk": CHUNKED + b"ff\r\n{",
    "an answer that is not read": LARGE,
    "an answer that is not read, and more requests": LARGE + request("GET", "/livez") * 9,
    "a body too large that is never sent": request("POST", "/v1/echo", Content_Length="99999999"),
}


@contextmanager
def crowded(folder: Path, connections: int) -> Iterator[Front]:
    """One worker with few places, whose clients may stall for hours."""
    options = ("--keep-alive", str(HOURS))
    with gunicorn(folder, *options, connections=connections, **PATIENT) as front:
        yield front


def stall(front: Front, count: int, sent: bytes) -> list[socket.socket]:
    """So many connections, from several addresses, that send this and no more."""
    clients = []
    for number in range(count):
        client = socket.socket()
        front.opened.append(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_SECONDS)
        client.bind((ADDRESSES[number % len(ADDRESSES)], 0))
        client.connect(front.address)
        client.sendall(sent)
        clients.append(client)
    return clients


def read_statuses(front: Front) -> set[int]:
    """The statuses of all requests in the log."""
    lines = [json.loads(line) for line in front.lines().splitlines() if line.startswith("{")]
    return {line["status"] for line in lines if line.get("event") == "request"}


@pytest.mark.parametrize("name", STALLING)
def test_clients_that_stall_make_room_for_others(tmp_path: Path, name: str) -> None:
    with crowded(tmp_path, 20) as front:
        stalled = stall(front, 60, STALLING[name])
        assert [front.get("/livez").status for _ in range(10)] == [200] * 10
        assert all(is_closed(client) for client in stalled[:30])
    assert "Traceback" not in front.lines()
    assert '"crash"' not in front.lines()
    assert read_statuses(front) <= {200, 400, 413}


def test_the_client_that_has_stalled_longest_goes_first(tmp_path: Path) -> None:
    with crowded(tmp_path, 10) as front:
        slow = []
        for _ in range(9):
            slow += stall(front, 1, EXPECTING)
            assert slow[-1].recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        slow[0].sendall(b"{")
        assert front.get("/livez").status == 200
        assert is_closed(slow.pop(1))
        slow[0].sendall(b" ")
        for client in slow:
            client.sendall(b"x" * (898 if client is slow[0] else 900))
            assert answer(client).json()["bytes"] == 900


def test_newcomers_leave_each_other_the_time_to_send_a_request(tmp_path: Path) -> None:
    with crowded(tmp_path, 20) as front:
        stall(front, 19, HEAD + b"{")
        assert front.get("/livez").status == 200
        newcomers = stall(front, 8, b"")
        for client in newcomers:
            assert front.get("/livez", client).status == 200


def test_idle_clients_go_before_those_in_a_request(tmp_path: Path) -> None:
    with gunicorn(tmp_path, connections=10, **PATIENT | {"rest_seconds": 0}) as front:
        slow = stall(front, 1, EXPECTING)[0]
        assert slow.recv(100)
        for _ in range(40):
            assert front.get("/livez", stall(front, 1, b"")[0]).status == 200
        slow.sendall(b"x" * 900)
        assert answer(slow).json()["bytes"] == 900


def test_clients_that_wait_for_a_service_make_no_room(tmp_path: Path) -> None:
    with crowded(tmp_path, 20) as front:
        busy = stall(front, 9, request("GET", "/sleep/2"))
        stall(front, 60, HEAD + b"{")
        assert [front.get("/livez").status for _ in range(5)] == [200] * 5
        assert [answer(client).status for client in busy] == [200] * 9

"""The gateway's worker as a process: TLS, open files, and logs that nobody reads."""

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from gateway.server.limits import from_environment
from tests.gateway.real_front import (
    PATIENCE_SECONDS,
    Front,
    answer,
    gunicorn,
    has_answered,
    is_closed,
    request,
)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """A certificate authority; front.pem has the certificate for 127.0.0.1."""
    made = trustme.CA()
    made.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "front.pem"
    )
    return made


@pytest.fixture
def secure(tmp_path: Path, authority: trustme.CA) -> Iterator[Front]:
    """One worker that speaks TLS."""
    pem = str(tmp_path / "front.pem")
    with gunicorn(tmp_path, "--certfile", pem, "--keyfile", pem, head_seconds=2) as front:
        yield front


def begin_tls(front: Front, authority: trustme.CA) -> ssl.SSLSocket:
    """A connection after its handshake."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    plain = front.connect()
    front.opened[-1] = client = context.wrap_socket(
        plain, server_hostname="127.0.0.1", do_handshake_on_connect=False
    )
    client.do_handshake()
    return client


def build_client_hello() -> bytes:
    """The first bytes of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="x")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_handshakes_that_stall_stop_nobody(secure: Front, authority: trustme.CA) -> None:
    hello = build_client_hello()
    stalled = [secure.connect() for _ in range(24)]
    for number, client in enumerate(stalled):
        client.sendall(hello[: 20 * (number % 3)])
    drop = secure.connect()
    probe = begin_tls(secure, authority)
    for _ in range(10):
        assert secure.ask(request("GET", "/livez"), probe).status == 200
    assert _drip(drop, hello) < len(hello)
    assert all(is_closed(client) for client in stalled)


def test_a_head_in_drops_of_tls_ends_too(secure: Front, authority: trustme.CA) -> None:
    client = begin_tls(secure, authority)
    client.settimeout(0.1)
    came = b""
    for byte in b"GET /livez HTTP/1.1\r\nX-Slow: " + b"x" * 200:
        client.sendall(bytes([byte]))
        with suppress(TimeoutError):
            came = client.recv(65536)
            break
    assert answer(client, came).status == 408


def test_a_large_answer_comes_over_tls(secure: Front, authority: trustme.CA) -> None:
    found = secure.ask(request("GET", "/large/5000000"), begin_tls(secure, authority))
    assert found.body == b"x" * 5_000_000


def test_clients_without_tls_are_disconnected(secure: Front) -> None:
    client = secure.connect()
    client.sendall(request("GET", "/livez"))
    assert is_closed(client)


def _drip(client: socket.socket, data: bytes) -> int:
    for number in range(len(data)):
        if has_answered(client, 0.05):
            return number
        try:
            client.sendall(data[number : number + 1])
        except OSError:
            return number
    return len(data)


@pytest.mark.parametrize(("soft", "hard", "named"), [(64, 4096, False), (64, 150, True)])
def test_the_limit_of_open_files_is_raised_or_named(
    tmp_path: Path, soft: int, hard: int, named: bool
) -> None:
    prefix = ("prlimit", f"--nofile={soft}:{hard}")
    with gunicorn(tmp_path, prefix=prefix, connections=500) as front:
        pid = front.get("/pid").json()["pid"]
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        open_files = next(line for line in limits if "open files" in line)
        assert open_files.split()[3] == str(min(600, hard))
        assert ("RLIMIT_NOFILE is too low" in front.lines()) is named
        if named:
            assert "50 connections instead of the 500 of GATEWAY_CONNECTIONS" in front.lines()


def test_logs_that_nobody_reads_stop_nobody_and_are_counted(tmp_path: Path) -> None:
    read, write = os.pipe()
    with gunicorn(tmp_path, stdout=write) as front:
        os.close(write)
        assert front.get("/log/30000").status == 200
        assert [front.get("/livez").status for _ in range(10)] == [200] * 10
        text, end = b"", time.monotonic() + PATIENCE_SECONDS
        while b"log lines dropped" not in text and time.monotonic() < end:
            text += os.read(read, 1 << 20)
        assert b"log lines dropped" in text
        front.get("/livez", X_Request_Id="the-last")
        front.process.terminate()
        while more := os.read(read, 1 << 20):
            text += more
        assert b"the-last" in text
    os.close(read)


def test_logs_that_nobody_can_read_break_no_request(tmp_path: Path) -> None:
    read, write = os.pipe()
    with gunicorn(tmp_path, stdout=write) as front:
        os.close(write)
        os.close(read)
        for _ in range(3):
            assert front.get("/log/10").status == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_CONNECTIONS", "many"),
        ("GATEWAY_CONNECTIONS", "9"),
        ("GATEWAY_CONNECTIONS_PER_ADDRESS", "-1"),
        ("GATEWAY_DRAIN", "21"),
    ],
)
def test_a_bad_setting_stops_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=f"{name} is a whole number, "):
        from_environment()

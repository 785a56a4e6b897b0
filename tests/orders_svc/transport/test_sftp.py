"""Jobs on an SFTP server: host keys are pinned, waits end, files are whole, on both engines."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import asyncssh
import pytest

from chassis.events.courier import Courier
from orders_svc.actions.transport.send_job import build_carrier
from orders_svc.store import tables
from tests.chassis.logs import capture_log
from tests.orders_svc.bodies import Body
from tests.orders_svc.transport.labs import Lab, build_lab, fetch_job, list_files, make_folder
from tests.orders_svc.transport.sftp_server import PASSWORD, SftpLab, run_sftp
from tests.serving import Served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpLab]:
    """The lab's server."""
    with run_sftp(tmp_path) as running:
        yield running


@pytest.fixture
def lab(orders: Served, order: Body, unique: str) -> Lab:
    """A lab that receives nothing yet."""
    return build_lab(orders, order, unique)


def send(lab: Lab, server: SftpLab, seconds: float = 10, **changes: Any) -> tuple[str, int, str]:
    """Connect the lab, submit an order, deliver it, and return what its client sees."""
    lab.connect({"folder": "/", "sftp": server.describe(**changes)})
    order_id = lab.submit()
    lab.deliver(seconds)
    return lab.tell(order_id)


def test_it_works(lab: Lab, server: SftpLab) -> None:
    lab.connect({"folder": "/", "sftp": server.describe()})
    order_id = lab.submit()
    lab.deliver()
    assert lab.tell(order_id) == ("delivered", 1, "")
    assert list_files(server.root / "out") == [f"{order_id}-v1.oma"]
    job = (server.root / "out" / f"{order_id}-v1.oma").read_bytes()
    assert job == fetch_job(lab.orders, order_id)
    assert server.renames == [f"/out/{order_id}-v1.oma"]
    with lab.orders.database.read() as tx:
        url = tables.outbox.endpoints.get(tx, lab.owner).url
    assert url == f"sftp://optigate@127.0.0.1:{server.port}/"


def test_a_password_from_its_file(lab: Lab, server: SftpLab) -> None:
    told = send(lab, server, key_file=None, password_file=str(server.password_file))
    assert told == ("delivered", 1, "")


def test_a_repeat_finds_its_file(lab: Lab, server: SftpLab) -> None:
    lab.connect({"folder": "/", "sftp": server.describe()})
    lab.submit()
    lab.deliver()
    (event,) = lab.list_events()
    with lab.orders.database.write() as tx:
        tables.outbox.replay(tx, event.id, lab.now)
    lab.deliver()
    assert [each.state for each in lab.list_events()] == ["delivered"]
    assert len(server.renames) == 1
    path = server.root / server.renames[0].lstrip("/")
    path.write_text("another")
    with lab.orders.database.write() as tx:
        tables.outbox.replay(tx, event.id, lab.now)
    lab.deliver()
    assert lab.tell(event.stream) == ("pending", 1, "conflict")
    assert path.read_text() == "another"


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_another_host_key_is_refused_before_the_login(lab: Lab, server: SftpLab, kind: str) -> None:
    other = asyncssh.generate_private_key(kind).export_public_key().decode().strip()
    with capture_log() as lines:
        told = send(lab, server, host_keys=[other], password_file=None)
        assert "host_key" in [line.get("reason") for line in lines()]
    assert told == ("pending", 1, "host_key")
    assert server.logins == []
    assert list_files(server.root / "out") == []


def test_a_key_among_several_is_enough(lab: Lab, server: SftpLab) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    assert send(lab, server, host_keys=[other, server.host_key])[0] == "delivered"


@pytest.mark.parametrize("what", ["another key", "another password"])
def test_wrong_credentials(lab: Lab, server: SftpLab, tmp_path: Path, what: str) -> None:
    wrong = tmp_path / "wrong"
    if what == "another key":
        wrong.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
        told = send(lab, server, key_file=str(wrong))
    else:
        wrong.write_text("not " + PASSWORD)
        told = send(lab, server, key_file=None, password_file=str(wrong))
    assert told == ("pending", 1, "login")


@pytest.mark.parametrize("content", [None, b"", b"no key", b"\xff\x00", b"x" * 100_000])
def test_a_file_that_is_no_key(
    lab: Lab, server: SftpLab, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "none"
    if content is not None:
        path.write_bytes(content)
    assert send(lab, server, key_file=str(path)) == ("pending", 1, "secret")
    assert server.logins == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (asyncssh.SFTPPermissionDenied("no"), "denied"),
        (asyncssh.SFTPFailure("disk is full"), "server"),
        (OSError(28, "No space left on device"), "server"),  # SFTP 3 has no word for it
    ],
)
def test_a_server_that_refuses(lab: Lab, server: SftpLab, error: Exception, reason: str) -> None:
    server.fails.append(error)
    assert send(lab, server) == ("pending", 1, reason)
    server.fails.clear()
    lab.move_on(minutes=1)
    lab.deliver()
    assert len(server.renames) == 1


def test_a_folder_that_is_missing(lab: Lab, server: SftpLab) -> None:
    (server.root / "out").rmdir()
    assert send(lab, server) == ("pending", 1, "missing")


def test_a_server_that_hangs_while_a_file_is_written(lab: Lab, server: SftpLab) -> None:
    server.hangs.set()
    began = monotonic()
    assert send(lab, server, seconds=1) == ("pending", 1, "timeout")
    assert monotonic() - began < 20
    server.hangs.clear()
    lab.move_on(minutes=1)
    lab.deliver()
    assert len(server.renames) == 1


@pytest.mark.parametrize("what", ["silent", "half", "closed", "other"])
def test_a_port_that_is_no_ssh_server(lab: Lab, server: SftpLab, what: str) -> None:
    answers = {"silent": b"", "half": b"SSH-2.0-Ope", "other": b"HTTP/1.1 400 Bad\r\n\r\n"}
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        kept: list[socket.socket] = []

        def serve() -> None:
            sock, _ = listening.accept()
            kept.append(sock)
            if what in answers:
                sock.sendall(answers[what])
            else:
                sock.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listening.getsockname()[1]
        state, attempts, reason = send(lab, server, seconds=1, port=port)
        thread.join(10)
        for sock in kept:
            sock.close()
    assert (state, attempts) == ("pending", 1)
    assert reason in {"silent": ("timeout",), "half": ("timeout",)}.get(
        what, ("reset", "server", "timeout")
    )


def test_nobody_listens(lab: Lab, server: SftpLab) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    assert send(lab, server, port=port) == ("pending", 1, "refused")


def test_private_addresses_are_refused_by_default(lab: Lab, server: SftpLab) -> None:
    lab.connect({"folder": "/", "sftp": server.describe()})
    order_id = lab.submit()
    carrier = build_carrier(lab.orders.database, Courier())
    (event,) = lab.list_events()
    assert carrier.deliver(None, event, lab.now).error == "private"  # type: ignore[arg-type]
    assert server.logins == []
    assert lab.tell(order_id) == ("pending", 0, "")


def test_one_that_hangs_delays_no_other(
    lab: Lab, server: SftpLab, orders: Served, order: Body, unique: str, tmp_path: Path
) -> None:
    server.hangs.set()
    lab.connect({"folder": "/", "sftp": server.describe()})
    for _ in range(5):
        lab.submit()
    other = build_lab(orders, order, unique + "b")
    other.connect(make_folder(tmp_path / "other"))
    order_id = other.submit()
    dispatcher = lab.start_dispatcher(seconds=60)
    try:
        dispatcher.dispatch_due()
        while other.tell(order_id)[0] == "pending":
            pass
        assert other.tell(order_id) == ("delivered", 1, "")
        assert server.renames == []
    finally:
        server.hangs.clear()
        dispatcher.wait_until_idle()


def test_a_host_that_cannot_be_resolved(lab: Lab, server: SftpLab) -> None:
    assert send(lab, server, host="lab.invalid") == ("pending", 1, "name")

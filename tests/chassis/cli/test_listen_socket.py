"""LISTEN_SOCKET: a service of one process serves on a Unix socket, too, for its user alone."""

import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from chassis.settings.workers import MAX_SOCKET_BYTES
from gateway.channel import Channel
from orders_svc.__main__ import cli
from protos.orders_pb2 import ListLabsRequest, ListLabsResponse
from protos.orders_pb2_grpc import OrderServiceStub
from tests.certificates import Files
from tests.chassis.cli.running import serving
from tests.ports import find_free_address
from tests.serving import build_basic

CALLER = (("authorization", build_basic("demo-client")), ("user-email", "optician@example.com"))


def serve_at(path: Path, **variables: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """A service with this socket, of a user whose files are open to everybody."""
    return serving(0, **{"LISTEN": "127.0.0.1:0", "LISTEN_SOCKET": str(path), **variables})


def count_labs(path: Path) -> int:
    """Call over the socket, as the gateway does."""
    channel = Channel(f"unix:{path}", connect_seconds=5)
    try:
        rpc = "/optigate.orders.v1.OrderService/ListLabs"
        answer = channel.unary(
            rpc, ListLabsRequest(), ListLabsResponse, timeout=10, metadata=CALLER
        )
        return len(answer.message.data)
    finally:
        channel.close()


def refuse(path: Path | str, **variables: str) -> str:
    """Start a service that does not start, and return what it says."""
    environment = {"LISTEN": "127.0.0.1:0", "LISTEN_SOCKET": str(path), **variables}
    done = CliRunner(env=environment).invoke(cli, ["serve"])
    assert (done.exit_code, done.stdout) == (1, "")
    return done.stderr


def test_it_works(store: dict[str, str], tmp_path: Path) -> None:
    path, listen = tmp_path / "100%25.sock", find_free_address()
    with serve_at(path, **store, LISTEN=listen) as process:
        assert count_labs(path) == 2
        with grpc.insecure_channel(listen) as direct:
            stub = OrderServiceStub(direct)
            assert len(stub.ListLabs(ListLabsRequest(), timeout=10, metadata=CALLER).data) == 2
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    assert not list(tmp_path.iterdir())


def test_the_port_is_not_shared(
    store: dict[str, str], store_url: Callable[[str, str], str], tmp_path: Path
) -> None:
    listen, other = find_free_address(), store_url("orders", "sqlite")
    with serve_at(tmp_path / "orders.sock", **store, LISTEN=listen):
        said = refuse(tmp_path / "other.sock", LISTEN=listen, DATABASE_URL=other)
    assert f"Error: Cannot listen on {listen}: it is in use" in said


def test_the_socket_of_a_killed_process_is_taken_over(
    store: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "orders.sock"
    with serve_at(path, **store) as process:
        process.kill()
        process.wait()
    assert path.is_socket()
    with serve_at(path, **store):
        assert count_labs(path) == 2


def test_it_is_plaintext_where_the_port_speaks_tls(store: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "orders.sock"
    with serve_at(path, **store, **Files(tmp_path / "tls").server()):
        assert count_labs(path) == 2


def test_the_socket_of_another_process_is_not_taken(store: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "orders.sock"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen()
        assert refuse(path, **store) == (
            f"Error: Another process listens on the socket {path}: stop it, or set LISTEN_SOCKET"
            " to another path.\n"
        )
    assert path.is_socket()


def test_a_path_that_is_too_long_is_refused(store: dict[str, str], tmp_path: Path) -> None:
    path = f"{tmp_path}/".ljust(MAX_SOCKET_BYTES - 1, "x") + "é"
    assert refuse(path, **store) == (
        f"Error: {path} has {MAX_SOCKET_BYTES + 1} bytes, and the path of a socket"
        f" {MAX_SOCKET_BYTES} at most: set LISTEN_SOCKET to a shorter one.\n"
    )
    with serve_at(Path(path[:-1]), **store):
        assert count_labs(Path(path[:-1])) == 2


def test_a_folder_that_does_not_exist_is_refused(store: dict[str, str], tmp_path: Path) -> None:
    assert refuse(tmp_path / "none" / "orders.sock", **store) == (
        f"Error: There is no folder {tmp_path / 'none'}: create it, or set LISTEN_SOCKET to a path"
        " in another one.\n"
    )


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_socket_is_refused_and_stays(
    kind: str, store: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "orders.sock"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("kept")
    assert refuse(path, **store) == (
        f"Error: Cannot listen on the socket {path}: something else is there, or its folder is"
        " not writable. Set LISTEN_SOCKET to another path.\n"
    )
    assert path.is_dir() or path.read_text() == "kept"

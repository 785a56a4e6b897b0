"""The Procfile, and what makes `make run` start nothing: a port, an address, the data folder."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.locks import hold_file
from demo.procfile import find_bad_address, find_busy_address, read_procfile
from tests.ports import find_free_address

ROOT = Path(__file__).parents[2]
ADDRESSES = ("GATEWAY_BIND", "SESSIONS_LISTEN", "ORDERS_LISTEN", "SUBSCRIPTIONS_LISTEN")
START = ("-m", "demo")
# A copy that has been stopped is given some seconds to end; this one has not been.
START_WITHOUT_PATIENCE = """
import sys
from demo import __main__ as launcher

launcher.HOLD_SECONDS = 0.0
sys.exit(launcher.main([]))
"""


def find_refusal(*words: str, folder: Path, **variables: str) -> str:
    """What a start in a folder prints that is refused."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=60,  # one that is not refused runs on
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_a_busy_address_is_found_by_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        assert find_busy_address({"FREE": "127.0.0.1:0", "ORDERS_LISTEN": address}) == (
            "ORDERS_LISTEN"
        )
    assert find_busy_address({"ORDERS_LISTEN": address}) is None


def test_an_address_of_another_machine_or_no_port_is_found_as_a_busy_one_is() -> None:
    for address in ("192.0.2.1:1", "127.0.0.1:99999"):
        assert find_busy_address({"ORDERS_LISTEN": address}) == "ORDERS_LISTEN"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:8080", "localhost:1", "[::1]:65535", "0.0.0.0:80", ":8199"],
)
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    assert find_bad_address({"GATEWAY_BIND": address}) is None


@pytest.mark.parametrize(
    "address",
    [
        "unix:/tmp/gateway.sock",
        "unix:gateway.sock",
        "127.0.0.1:abc",
        "127.0.0.1:99999",
        "127.0.0.1:0",
        "127.0.0.1:",
        "127.0.0.1",
        "8080",
        "::1:8080",
        "http://127.0.0.1:8080",
        "127.0.0.1:8080,127.0.0.1:8081",
        "127.0.0.1:\u0661",
        "127.0.0.1:8080\n",
    ],
)
def test_an_address_of_another_kind_is_found_by_its_variable(address: str) -> None:
    addresses = {"SESSIONS_LISTEN": "127.0.0.1:50051", "GATEWAY_BIND": address}
    assert find_bad_address(addresses) == "GATEWAY_BIND"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_BIND", "unix:/tmp/gateway.sock"),
        ("GATEWAY_BIND", "127.0.0.1:abc"),
        ("GATEWAY_BIND", "127.0.0.1:99999"),
        ("ORDERS_METRICS_LISTEN", "127.0.0.1:0"),
        ("WORKERS", "abc"),
        ("WORKERS", "0"),
        ("WORKERS", "-1"),
        ("WORKERS", "²"),
    ],
)
def test_a_value_of_another_kind_is_a_sentence(variable: str, value: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    expected = {
        "WORKERS": "must be a number of processes, such as 2.",
    }.get(variable, "must be host:port here, such as 127.0.0.1:8080 or [::1]:8080.")
    assert find_refusal(*START, folder=folder, **{variable: value}) == (
        f"{variable} is {value}, and {expected} Nothing was started or changed.\n"
    )
    assert not folder.exists()


def test_nothing_is_touched_where_a_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        told = find_refusal(*START, folder=tmp_path / "data", SESSIONS_LISTEN=address)
    assert told == (
        f"{address} is in use, or not an address of this machine. Set SESSIONS_LISTEN to another"
        " one, or stop what listens there. Nothing was started or changed.\n"
    )
    assert not (tmp_path / "data").exists()


def test_nothing_is_touched_where_another_copy_runs(tmp_path: Path) -> None:
    addresses = {name: find_free_address() for name in ADDRESSES}
    with hold_file(tmp_path / "launcher.lock", 0):
        told = find_refusal("-c", START_WITHOUT_PATIENCE, folder=tmp_path, **addresses)
    assert told == (
        f"Another copy runs in {tmp_path}. Set DATA_DIR to another folder, or stop that copy."
        " Nothing was started or changed.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["launcher.lock"]


def test_a_folder_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file")
    addresses = {name: find_free_address() for name in ADDRESSES}
    assert find_refusal("-c", START_WITHOUT_PATIENCE, folder=folder, **addresses) == (
        f"DATA_DIR is {folder}, which cannot be used: File exists."
        " Nothing was started or changed.\n"
    )


def test_several_workers_need_postgresql(tmp_path: Path) -> None:
    told = find_refusal(
        *START,
        folder=tmp_path / "data",
        WORKERS="2",
        ORDERS_DATABASE_URL="postgresql://db/orders",
    )
    assert told == (
        "WORKERS=2 needs PostgreSQL: on SQLite a service is one process. Set"
        " SESSIONS_DATABASE_URL, SUBSCRIPTIONS_DATABASE_URL, or leave WORKERS unset."
        " Nothing was started or changed.\n"
    )
    assert not (tmp_path / "data").exists()


def test_the_procfile_names_four_processes() -> None:
    commands = read_procfile(ROOT / "Procfile")
    assert set(commands) == {"sessions", "orders", "subscriptions", "gateway"}

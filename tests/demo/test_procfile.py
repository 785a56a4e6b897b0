"""The Procfile, and what `make run` does where a port is taken."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from demo.procfile import find_busy_address, read_procfile

ROOT = Path(__file__).parents[2]


def test_a_busy_address_is_found_by_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        assert find_busy_address({"FREE": "127.0.0.1:0", "ORDERS_LISTEN": address}) == (
            "ORDERS_LISTEN"
        )
    assert find_busy_address({"ORDERS_LISTEN": address}) is None


def test_nothing_is_touched_where_a_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "demo"],
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(tmp_path / "data"), "SESSIONS_LISTEN": address},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"{address} is in use. Set SESSIONS_LISTEN to another address, or stop what listens there."
        " Nothing was started or changed.\n"
    )
    assert not (tmp_path / "data").exists()


def test_several_workers_need_postgresql(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATA_DIR": str(tmp_path / "data"),
            "WORKERS": "2",
            "ORDERS_DATABASE_URL": "postgresql://db/orders",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "WORKERS=2 needs PostgreSQL: on SQLite a service is one process. Set"
        " SESSIONS_DATABASE_URL, SUBSCRIPTIONS_DATABASE_URL, or leave WORKERS unset."
        " Nothing was started or changed.\n"
    )
    assert not (tmp_path / "data").exists()


def test_the_procfile_names_four_processes() -> None:
    commands = read_procfile(ROOT / "Procfile")
    assert set(commands) == {"sessions", "orders", "subscriptions", "gateway"}

"""`python -m demo` is light: what prepares the stores is a process that ends before it serves."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from chassis.locks import hold_file
from chassis.settings.workers import MAX_SOCKET_BYTES
from demo import __main__ as demo_main
from demo.__main__ import choose_hop
from tests.chassis.cli.test_loading import RARE, SERVER, run
from tests.ports import find_free_address
from tests.serving import SERVICES

ROOT = Path(__file__).parents[2]
ADDRESSES = ("GATEWAY_BIND", *(f"{name.upper()}_LISTEN" for name in SERVICES))
START = [sys.executable, "-m", "demo"]
# The launcher, with a signal as soon as it has started everything that it runs.
LAUNCH = """
import atexit, os, signal, sys, threading, time
atexit.register(lambda: print("MODULES", *sys.modules))
def look():
    while not any("welcome" in thread.name for thread in threading.enumerate()):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=look, daemon=True).start()
from demo.__main__ import main
main([])
"""
# The launcher, with all the patience that a busy machine may need.
START_PATIENTLY = """
import sys
from demo import __main__ as launcher

launcher.HOLD_SECONDS = 60.0
sys.exit(launcher.main([]))
"""


def choose_addresses() -> dict[str, str]:
    """Free addresses for all processes."""
    return {name: find_free_address() for name in ADDRESSES}


def choose(folder: Path | str, **variables: str) -> dict[str, str]:
    """What is set for the hop to the orders service, beside what was."""
    before = {"DATA_DIR": str(folder), "ORDERS_LISTEN": "127.0.0.1:1", **variables}
    after = dict(before)
    choose_hop("orders", after)
    return {name: value for name, value in after.items() if name not in before}


def test_the_gateway_calls_a_service_over_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{tmp_path}/data/orders-1.sock"
    expected = {"ORDERS_LISTEN_SOCKET": path, "GATEWAY_ORDERS_ADDR": f"unix:{path}"}
    monkeypatch.chdir(tmp_path)
    assert choose("data") == choose(tmp_path / "data") == expected


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    assert choose(tmp_path, GATEWAY_ORDERS_ADDR="127.0.0.1:2") == {}
    by_port = {"GATEWAY_ORDERS_ADDR": "127.0.0.1:1"}
    assert choose(tmp_path, ORDERS_LISTEN_SOCKET="") == by_port
    assert choose(tmp_path, ORDERS_LISTEN_SOCKET="/run/orders.sock") == by_port


def test_a_folder_whose_path_no_socket_can_have_leaves_the_port() -> None:
    longest = "/".ljust(MAX_SOCKET_BYTES - len("/orders-1.sock"), "x")
    assert choose(longest)["ORDERS_LISTEN_SOCKET"] == f"{longest}/orders-1.sock"
    for folder in (f"{longest}x", "/a,b"):
        assert choose(folder) == {"GATEWAY_ORDERS_ADDR": "127.0.0.1:1"}


def test_empty_settings_are_the_defaults_and_no_host_is_all_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[dict[str, str]] = []

    def run(environment: dict[str, str], data: str) -> int:
        assert data == environment["DATA_DIR"]
        started.append(environment)
        return 0

    monkeypatch.setattr(demo_main, "run", run)
    monkeypatch.setattr(demo_main, "find_busy_address", lambda _: None)
    for name in ("DATA_DIR", *ADDRESSES):
        monkeypatch.setenv(name, "")
    assert demo_main.main([]) == 0
    monkeypatch.setenv("GATEWAY_BIND", ":8199")
    assert demo_main.main([]) == 0
    assert [each["GATEWAY_BIND"] for each in started] == ["127.0.0.1:8080", "0.0.0.0:8199"]
    assert started[0]["DATA_DIR"] == "data"
    assert started[0]["ORDERS_LISTEN"] == "127.0.0.1:50052"


def test_it_loads_what_a_supervisor_needs(tmp_path: Path) -> None:
    loaded = run(LAUNCH, tmp_path, **choose_addresses())
    assert "chassis.supervisor" in loaded
    assert not loaded & (RARE | SERVER)
    assert not loaded & {f"{name}_svc" for name in SERVICES}
    assert {path.name for path in tmp_path.glob("*.db")} == {f"{name}.db" for name in SERVICES}


def test_an_error_of_the_preparation_is_shown_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / "sessions.db").write_text("This is no database. " * 500)
    done = subprocess.run(
        START,
        cwd=ROOT,
        env={**os.environ, **choose_addresses(), "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "file is not a database" in done.stderr
    assert "started" not in done.stdout


@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_stop_while_it_prepares_leaves_no_process(
    number: signal.Signals, send: Callable[[int, int], None], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/orders"
        launcher = subprocess.Popen(
            START,
            cwd=ROOT,
            env={
                **os.environ,
                **choose_addresses(),
                "DATA_DIR": str(tmp_path),
                "SESSIONS_DATABASE_URL": url,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        connection, _ = silent.accept()
        send(launcher.pid, number)
        printed, _ = launcher.communicate(timeout=20)  # to the end of the last process
        connection.close()
    assert launcher.returncode == 128 + number
    assert printed == ""


def has_open(process: int, path: Path) -> bool:
    """Whether a process has a file open."""
    found = []
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(each.readlink())
    return path in found


def test_a_copy_waits_for_one_that_ends_and_holds_the_folder_while_it_lives(tmp_path: Path) -> None:
    lock = tmp_path / "launcher.lock"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/orders"
        with hold_file(lock, 0):
            launcher = subprocess.Popen(
                [sys.executable, "-c", START_PATIENTLY],
                cwd=ROOT,
                env={
                    **os.environ,
                    **choose_addresses(),
                    "DATA_DIR": str(tmp_path),
                    "SESSIONS_DATABASE_URL": url,
                },
                start_new_session=True,
            )
            while not has_open(launcher.pid, lock):
                assert launcher.poll() is None
                time.sleep(0.02)
        try:
            connection, _ = silent.accept()  # from a child, which prepares the first store
            with pytest.raises(BlockingIOError), hold_file(lock, 0):
                pass
            launcher.kill()
            launcher.wait()
            with hold_file(lock, 0):  # though the child lives
                connection.setblocking(False)
                connection.recv(1024)
                with pytest.raises(BlockingIOError):
                    connection.recv(1024)
            connection.close()
        finally:
            os.killpg(launcher.pid, signal.SIGKILL)
            launcher.wait()

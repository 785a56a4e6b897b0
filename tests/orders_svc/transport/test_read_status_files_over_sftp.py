"""Status files on an SFTP server, also on one that hangs, on both engines."""

import time
from pathlib import Path

import pytest

from orders_svc.actions.transport import read_status_files as module
from tests.chassis.events.outboxes import wait_until
from tests.orders_svc.bodies import Body
from tests.orders_svc.rpcs.test_get_order import fetch_order
from tests.orders_svc.transport.labs import (
    HEAD,
    Lab,
    build_lab,
    list_kinds,
    make_folder,
    put,
    read_report,
)
from tests.orders_svc.transport.sftp_server import run_sftp
from tests.serving import Served

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNIiq2/pR3LLAa7JxxVZQJQ8uLB5vUHlm5UbKz1ZZJr"


@pytest.fixture
def lab(orders: Served, order: Body, unique: str, tmp_path: Path) -> Lab:
    """A lab with a drop in a local folder."""
    made = build_lab(orders, order, unique)
    made.connect(make_folder(tmp_path))
    return made


def test_over_sftp(orders: Served, order: Body, unique: str, tmp_path: Path) -> None:
    lab = build_lab(orders, order, unique)
    with run_sftp(tmp_path) as server:
        lab.connect({"folder": "/", "sftp": server.describe()})
        order_id = lab.submit()
        put(server.root, HEAD + f"{order_id},in_progress,,,,,\n{order_id},x,,,,,\n")
        put(server.root, HEAD, "empty.csv")
        (server.root / "in" / "link.csv").symlink_to(server.root / "in" / "empty.csv")
        lab.read_status()
        assert lab.find_poll().last_error is None
        assert fetch_order(orders, order_id).lab_status == "in_progress"
        assert list_kinds(server.root) == {"in": 1, "done": 1, "failed": 2}
        assert "line 3: lab_status: Must be one of" in read_report(server.root)
        lab.connect({"folder": "/", "sftp": server.describe(host_keys=[OTHER_KEY])})
        lab.read_status()
        assert lab.find_poll().last_error == "host_key"


@pytest.mark.parametrize("seconds", [1, 60])
def test_a_server_that_hangs_delays_no_other(
    orders: Served, order: Body, unique: str, tmp_path: Path, lab: Lab, seconds: int
) -> None:
    hanging = build_lab(orders, order, unique + "h")
    with run_sftp(tmp_path / "sftp") as server:
        hanging.connect({"folder": "/", "sftp": server.describe()})
        order_id = lab.submit()
        put(server.root, HEAD + "x,shipped,,,,,\n")
        put(tmp_path, HEAD + f"{order_id},in_progress,,,,,\n")
        lab.move_on(minutes=30)
        reader = lab.start_reader(seconds)
        while reader.read_due():
            reader.wait_until_idle()
        server.hangs.set()
        lab.move_on(seconds=6)
        reader.read_due()
        wait_until(lambda: list_kinds(tmp_path)["done"] == 1)
        assert fetch_order(orders, order_id).lab_status == "in_progress"
        if seconds > 1:
            wait_until(lambda: list_kinds(server.root)["failed"] == 1)  # not finished
            server.hangs.clear()
        reader.wait_until_idle()
        assert hanging.find_poll().last_error == ("timeout" if seconds == 1 else None)


def test_the_end_of_the_process_waits_for_no_server(
    orders: Served, order: Body, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    lab = build_lab(orders, order, unique)
    with run_sftp(tmp_path) as server:
        lab.connect({"folder": "/", "sftp": server.describe()})
        put(server.root, HEAD + "x,shipped,,,,,\n")
        lab.move_on(minutes=30)
        with lab.start_reader(60):
            wait_until(lambda: bool(lab.find_poll().files))
            server.hangs.set()
            lab.move_on(minutes=30)
            wait_until(lambda: list_kinds(server.root)["failed"] == 1)
            began = time.monotonic()
        assert time.monotonic() - began < 30
        assert lab.find_poll().last_error == "stopped"
        server.hangs.clear()

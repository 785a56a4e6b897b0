"""Metrics of a real gunicorn: two workers count, their parent serves the sums."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.real_front import PATIENCE_SECONDS, ROOT, Front, gunicorn, request

ROUTE = "/v1/orders/<order_id>"


class Measured:
    """A gunicorn, and the port of its metrics."""

    def __init__(self, front: Front) -> None:
        self.front = front
        wait_until(lambda: "Metrics at: " in front.lines())
        (self.url,) = re.findall(r"Metrics at: (http://\S+)/metrics", front.lines())

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of an answer."""
        try:
            with urlopen(f"{self.url}{path}", timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def read(self, name: str, **labels: str) -> float | None:
        """A value as a scrape shows it now."""
        for family in text_string_to_metric_families(self.ask("/metrics")[1]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None

    def find_worker(self) -> int:
        """The process that answers a request."""
        pid: int = self.front.get("/pid").json()["pid"]
        return pid


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def measured(folder: Path, **environ: str) -> Iterator[Measured]:
    """A gateway of two workers with metrics."""
    environ = {"METRICS_LISTEN": "127.0.0.1:0", **environ}
    with gunicorn(folder, workers=2, environ=environ) as front:
        yield Measured(front)


def ask_orders(gateway: Measured) -> int:
    """Read an order that cannot be read; returns the worker that has answered."""
    client = gateway.front.connect()
    assert gateway.front.get("/v1/orders/secret", client).status == 503
    pid: int = gateway.front.get("/pid", client).json()["pid"]
    client.close()
    return pid


def test_answers_of_all_workers_by_route_method_and_status(tmp_path: Path) -> None:
    with measured(tmp_path) as gateway:
        wait_until(lambda: gateway.ask("/readyz") == (200, '{"status": "ok"}\n'))
        wait_until(lambda: gateway.read("optigate_gateway_workers") == 2)
        workers: set[int] = set()
        asked = 0
        while len(workers) < 2 or asked < 10:
            workers.add(ask_orders(gateway))
            asked += 1
            assert asked < 1000
        assert gateway.front.ask(request("BREW", "/v1/orders")).status == 405
        assert gateway.front.ask(request("TEA", "/nothing")).status == 404
        labels = {"route": ROUTE, "method": "GET"}
        assert gateway.read("optigate_http_requests_total", status="503", **labels) == asked
        assert gateway.read("optigate_http_request_seconds_count", **labels) == asked
        odd = {"route": "none", "method": "other"}
        assert gateway.read("optigate_http_requests_total", status="404", **odd) == 1
        assert gateway.read("optigate_http_requests_total", status="405", **odd) == 1
        wait_until(
            lambda: (
                gateway.read("optigate_gateway_addresses", service="orders", state="failing") == 2
            )
        )
        text = gateway.ask("/metrics")[1]
        assert "secret" not in text
        assert "BREW" not in text

        os.kill(workers.pop(), signal.SIGKILL)
        wait_until(
            lambda: (
                gateway.read("optigate_gateway_addresses", service="orders", state="failing") == 1
            )
        )
        wait_until(lambda: gateway.read("optigate_gateway_workers") == 2)
        assert gateway.read("optigate_http_requests_total", status="503", **labels) == asked

        assert gateway.front.get("/metrics").status == 404  # no route of the gateway
        gateway.front.process.send_signal(signal.SIGHUP)
        wait_until(lambda: gateway.find_worker() not in workers)
        assert gateway.ask("/readyz")[0] == 200
        maps = Path(f"/proc/{gateway.find_worker()}/maps").read_text()
        (folder,) = set(re.findall(r"(/\S+/optigate-metrics-\w+)/counter_", maps))
        assert Path(folder).is_dir()
    assert "crash" not in gateway.front.lines()
    assert not Path(folder).exists()


def test_a_drain_is_not_ready_but_lives(tmp_path: Path) -> None:
    with measured(tmp_path) as gateway:
        wait_until(lambda: gateway.ask("/readyz")[0] == 200)
        held = gateway.front.connect()
        held.sendall(request("GET", "/sleep/3"))
        time.sleep(0.2)  # for the worker to begin; without it the test proves less, and passes
        gateway.front.process.terminate()
        wait_until(lambda: gateway.ask("/readyz") == (503, '{"status": "draining"}\n'))
        assert gateway.ask("/livez") == (200, '{"status": "ok"}\n')


def test_stuck_scrapes_hold_up_no_request(tmp_path: Path) -> None:
    with measured(tmp_path) as gateway:
        host, _, port = gateway.url.removeprefix("http://").rpartition(":")
        stuck = [socket.create_connection((host, int(port))) for _ in range(100)]
        for client in stuck:
            client.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert gateway.front.get("/livez").status == 200
        assert gateway.ask("/livez")[0] == 200
        for client in stuck:
            client.close()


def test_a_given_folder_is_emptied_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "counted"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"of an earlier run")
    with measured(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(folder)) as gateway:
        wait_until(lambda: gateway.ask("/readyz")[0] == 200)
        assert gateway.ask("/metrics")[0] == 200
        assert not (folder / "counter_1.db").exists()
    assert folder.exists()


def test_a_worker_killed_before_it_counts_hides_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "counted"
    with measured(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(folder)) as gateway:
        wait_until(lambda: gateway.ask("/readyz")[0] == 200)
        ask_orders(gateway)
        (folder / "counter_1.db").touch()  # a file is made first, and given its size then
        (folder / "gauge_livesum_1.db").touch()
        (folder / "histogram_1.db").symlink_to(folder / "gone")  # removed once it is listed
        labels = {"route": ROUTE, "method": "GET", "status": "503"}
        assert gateway.read("optigate_http_requests_total", **labels) == 1


@pytest.mark.parametrize("address", ["9464", "busy"])
def test_an_address_that_cannot_be_had_forbids_the_start(address: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        if address == "busy":
            address = f"127.0.0.1:{busy.getsockname()[1]}"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0"),
                *("--config", "python:tests.gateway.short_conf", "tests.gateway.stub:create_app()"),
            ],
            cwd=ROOT,
            env={**os.environ, "METRICS_LISTEN": address, "TEST_LIMITS": json.dumps({})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == os.EX_CONFIG
    assert "gateway: METRICS_LISTEN" in done.stderr
    assert "Traceback" not in done.stderr

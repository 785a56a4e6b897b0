"""Stops and reloads of the gateway, unnoticed by clients being served."""

import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.gateway.real_front import (
    PATIENCE_SECONDS,
    Front,
    answer,
    gunicorn,
    has_answered,
    is_closed,
    request,
)


def wait_for(ready: Callable[[], bool], front: Front) -> None:
    """Wait until a condition holds, or fail with gunicorn's output."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        assert time.monotonic() < end, front.lines()
        time.sleep(0.02)


def refuses_connections(front: Front) -> bool:
    """Return whether connections are refused."""
    try:
        front.connect().close()
    except OSError:
        return True
    return False


def test_a_stop_closes_idle_connections_and_goes_on_accepting(tmp_path: Path) -> None:
    with gunicorn(tmp_path, workers=2, drain_seconds=3) as front:
        idle = [front.connect() for _ in range(8)]
        for client in idle[:4]:
            assert front.get("/livez", client).headers["connection"] == "keep-alive"
        front.process.terminate()
        wait_for(lambda: front.get("/livez").headers["connection"] == "close", front)
        ready = front.get("/readyz")
        assert (ready.status, ready.json()) == (503, {"status": "draining"})
        assert ready.headers["connection"] == "close"
        assert all(is_closed(client) for client in idle)
        assert front.get("/pid").status == 200  # it still accepts
        assert front.process.wait(PATIENCE_SECONDS) == 0
        assert refuses_connections(front)


def test_a_stop_waits_for_what_is_under_way(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as front:
        assert front.get("/livez").status == 200
        busy, reading = front.connect(), front.connect()
        busy.sendall(request("GET", "/sleep/1"))
        reading.sendall(request("POST", "/v1/echo", Content_Length="2") + b"x")
        wait_for(lambda: front.get("/livez").status == 200, front)
        front.process.terminate()
        wait_for(lambda: refuses_connections(front), front)
        reading.sendall(b"x")
        for client in (busy, reading):
            found = answer(client)
            assert (found.status, found.headers["connection"]) == (200, "close")
            assert is_closed(client)
        assert front.process.wait(PATIENCE_SECONDS) == 0
        assert "Traceback" not in front.lines()


def test_a_stop_waits_for_no_stalled_client(tmp_path: Path) -> None:
    bounds: dict[str, Any] = {"head_seconds": 600, "body_seconds": 600, "write_seconds": 600}
    with gunicorn(tmp_path, "--graceful-timeout", "1", **bounds) as front:
        stalled = [front.connect() for _ in range(3)]
        stalled[0].sendall(b"GET ")
        stalled[1].sendall(request("POST", "/v1/echo", Content_Length="2"))
        stalled[2].sendall(request("GET", "/large/50000000"))
        assert front.get("/livez").status == 200
        front.process.terminate()
        assert front.process.wait(PATIENCE_SECONDS) == 0
        assert "cut off at the graceful timeout" in front.lines()


STOPPED_EARLY = """
import os
import signal

from tests.gateway.short_conf import *


class worker_class(Worker):
    def patch(self):
        if self.age == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        super().patch()
"""


def test_a_stop_that_comes_before_a_worker_serves_is_heeded(tmp_path: Path) -> None:
    conf = tmp_path / "stopped_early.py"
    conf.write_text(STOPPED_EARLY)
    with gunicorn(tmp_path, "--config", str(conf)) as front:
        wait_for(lambda: "Worker exiting" in front.lines(), front)
        assert front.get("/livez").status == 200  # by another


PAUSE_SECONDS = 0.01  # of a client between two requests


class Load:
    """Clients that keep their connections and count what went wrong."""

    def __init__(self, front: Front, clients: int = 4) -> None:
        self.front = front
        self.stopped = threading.Event()
        self.failures: list[str] = []
        self.pids: list[int] = []
        self.threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Let each client finish its request."""
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def _run(self) -> None:
        client: socket.socket | None = None
        while not self.stopped.is_set():
            try:
                if client is None or has_answered(client):  # closed by the other side
                    client = self.front.connect()
                found = self.front.get("/pid", client)
                self.pids.append(found.json()["pid"])
                assert found.status == 200
                if found.headers["connection"] == "close":
                    client.close()
                    client = None
            except (OSError, EOFError, AssertionError) as error:
                self.failures.append(repr(error))
                client = None
            self.stopped.wait(PAUSE_SECONDS)


def test_a_stop_under_load_fails_no_request(tmp_path: Path) -> None:
    with gunicorn(tmp_path, workers=2, drain_seconds=5, rest_seconds=5) as front:
        assert front.get("/livez").status == 200
        load = Load(front)
        wait_for(lambda: len(load.pids) > 50, front)
        front.process.terminate()
        wait_for(lambda: front.get("/readyz").status == 503, front)
        before = len(load.pids)
        wait_for(lambda: len(load.pids) > before + 100, front)
        load.stop()  # as a balancer does that has seen the 503
        assert load.failures == []
        assert front.process.wait(PATIENCE_SECONDS) == 0


def test_at_a_reload_the_old_workers_serve_until_the_new_ones_do(tmp_path: Path) -> None:
    boot = tmp_path / "boot"
    boot.touch()
    with gunicorn(tmp_path, workers=2, environ={"BOOT_FILE": str(boot)}, rest_seconds=5) as front:
        assert front.get("/livez").status == 200
        load = Load(front)
        wait_for(lambda: len(load.pids) > 50, front)
        boot.unlink()
        front.process.send_signal(signal.SIGHUP)
        wait_for(lambda: front.lines().count("Booting worker") == 4, front)
        old = list_booted(front)[:2]
        time.sleep(0.5)  # so that gunicorn has told the old workers
        before = len(load.pids)
        wait_for(lambda: len(load.pids) > before + 100, front)
        assert set(load.pids) <= set(old)
        assert front.get("/livez").headers["connection"] == "keep-alive"
        boot.touch()
        wait_for(lambda: front.lines().count("Worker exiting") == 2, front)
        before = len(load.pids)
        wait_for(lambda: len(load.pids) > before + 100, front)
        load.stop()
        assert set(load.pids[-50:]) <= set(list_booted(front)[2:])
        assert load.failures == []


def list_booted(front: Front) -> list[int]:
    """The ids of all workers in the order of their start."""
    lines = front.lines().splitlines()
    return [int(line.rpartition(" ")[2]) for line in lines if "Booting worker" in line]

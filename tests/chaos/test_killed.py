"""`make run` when its processes are killed, reloaded and stopped under load, or started twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

import pytest

from tests.chaos.conftest import Launch
from tests.chaos.product import (
    LOAD_PAUSE_SECONDS,
    ROOT,
    WRITES,
    Caller,
    Load,
    Product,
    children,
    has_ended,
    wait_for,
)
from tests.ports import find_free_address


@pytest.mark.parametrize("name", WRITES)
def test_a_killed_service_is_started_again_and_fails_no_other(product: Product, name: str) -> None:
    others = tuple(service for service in WRITES if service != name)
    load = Load(product, others)
    load.wait_for_more()
    killed = product.pid(name)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: product.pid(name) != killed, "it is not started again")
    load.wait_for_more()
    # Each of the gateway's workers finds it again by itself.
    wait_for(lambda: is_ready(product), "it is not ready again")
    wait_for(lambda: product.write(name).status == 201, "it takes no write again")
    load.stop()
    assert load.failures == []
    assert f"{name} ended with -9; starting it again" in product.lines()


def test_a_killed_worker_is_replaced(product: Product) -> None:
    gateway = product.pid("gateway")
    before = set(children(gateway))
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: has_ended(killed) and len(set(children(gateway)) - before) == 1, "no new one")
    for service in WRITES:
        assert product.write(service).status == 201
    assert product.pid("gateway") == gateway


def test_a_killed_gateway_is_started_again_and_leaves_no_worker(product: Product) -> None:
    killed = product.pid("gateway")
    workers = children(killed)
    services = {name: product.pid(name) for name in WRITES}
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: product.pid("gateway") != killed, "it is not started again")
    wait_for(lambda: all(map(has_ended, workers)), "its workers go on")
    wait_for(lambda: is_ready(product), "it is not ready again")
    for service in WRITES:
        assert product.write(service).status == 201
    assert {name: product.pid(name) for name in WRITES} == services


def is_ready(product: Product) -> bool:
    """Whether /readyz answers with 200, in every worker: each finds out by itself."""
    try:
        return all(product.readiness()[0] == 200 for _ in range(12))
    except OSError:
        return False


def test_a_reload_fails_no_request(product: Product) -> None:
    gateway = product.pid("gateway")
    old = set(children(gateway))
    load = Load(product, tuple(WRITES))
    load.wait_for_more()
    os.kill(gateway, signal.SIGHUP)
    wait_for(lambda: old.isdisjoint(children(gateway)), "the old workers stay")
    load.wait_for_more()
    load.stop()
    assert load.failures == []


@contextmanager
def run_another(
    product: Product, conf: str = "gateway.gunicorn_conf", **more: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run another gateway before the same services, as another replica."""
    address = find_free_address()
    environment = {
        **os.environ,
        **{
            f"GATEWAY_{name.upper()}_ADDR": product.addresses[f"{name.upper()}_LISTEN"]
            for name in WRITES
        },
        **more,
    }
    with (product.folder / "another").open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--bind", address),
                *("--config", f"python:{conf}", "gateway:create_app()"),
            ],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(lambda: answers(address), "it does not start")
        yield address, process
    finally:
        process.kill()
        process.wait()


def test_a_stop_of_one_of_two_gateways_fails_no_request(product: Product) -> None:
    """Callers stay until they are told `Connection: close`, as a balancer does."""
    with run_another(product, GATEWAY_DRAIN="3") as (address, process):
        failures: list[str] = []
        moved: list[int] = []

        def run() -> None:
            caller = Caller(address)
            for _ in range(100_000):
                if len(moved) == len(threads) and moved.count(1) == len(threads):
                    break
                try:
                    found = product.write("orders", caller)
                except (OSError, HTTPException) as error:
                    failures.append(repr(error))
                    break
                if found.status != 201:
                    failures.append(f"{found.status} {found.body!r}")
                if found.headers.get("connection") == "close" and caller.address == address:
                    caller.address = product.front
                    moved.append(1)
                time.sleep(LOAD_PAUSE_SECONDS)
            caller.close()

        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        process.terminate()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(moved) == len(threads)
        assert process.wait(40) == 0
    assert "Traceback" not in (product.folder / "another").read_text()


# A predecessor that drains is given a quarter of a minute; this one does not drain.
SERVE_WITHOUT_PATIENCE = """
from chassis.store import sqlite
from orders_svc.__main__ import cli

sqlite.SERVE_WAIT_SECONDS = 0.2
cli(["serve"])
"""


def test_what_is_in_use_is_neither_served_twice_nor_touched(product: Product) -> None:
    before = {path.name for path in product.folder.iterdir()}
    twice = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=product.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert twice.returncode == 1
    assert "GATEWAY_BIND" in twice.stderr
    assert "Nothing was started or changed." in twice.stderr
    beside = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=product.environment | {name: find_free_address() for name in product.addresses},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (beside.returncode, beside.stdout) == (1, "")
    assert beside.stderr.startswith(f"Another copy runs in {product.folder}. Set DATA_DIR to ")
    served = subprocess.run(
        [sys.executable, "-c", SERVE_WITHOUT_PATIENCE],
        cwd=ROOT,
        env=product.environment | {"LISTEN": find_free_address()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert served.returncode == os.EX_CONFIG
    assert served.stderr.startswith("Error: Another process serves ")
    assert "Traceback" not in served.stderr
    assert {path.name for path in product.folder.iterdir()} == before
    for service in WRITES:
        assert product.write(service).status == 201


def answers(address: str) -> bool:
    """Whether a gateway is ready."""
    caller = Caller(address)
    try:
        return caller.ask("GET", "/readyz").status == 200
    except OSError:
        return False
    finally:
        caller.close()


def test_a_killed_launcher_leaves_no_process(launch: Launch) -> None:
    with launch() as product:
        _, keeper, *others = product.pids()
        assert len(others) >= 6  # three services, gunicorn and its two workers
        product.process.kill()
        product.process.wait()
        wait_for(lambda: all(map(has_ended, others)), "something goes on")
        for patience in children(keeper):  # the `sleep` for those that do not drain
            os.kill(patience, signal.SIGKILL)
        wait_for(lambda: has_ended(keeper), "the keeper goes on")


def test_a_stop_is_quiet(launch: Launch) -> None:
    with launch() as product:
        pids = product.pids()
        for service in WRITES:
            assert product.write(service).status == 201
        product.process.terminate()
        assert product.process.wait(60) == 0
        assert product.lines().count("stopped (rc=0)") == 4
        assert all(map(has_ended, pids))
        assert "Traceback" not in product.lines()

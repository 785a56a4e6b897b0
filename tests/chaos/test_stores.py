"""Stores that freeze or fill up."""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import postgres
from tests.chaos.conftest import Launch
from tests.chaos.product import Answer, Load, Product, wait_for
from tests.chaos.test_killed import is_ready
from tests.chassis.store.proxy import run_proxy

RPC_SECONDS = 3
OTHERS = ("sessions", "subscriptions")


@pytest.fixture
def database(templates: Callable[[str, str], str]) -> Iterator[str]:
    """A database of orders on PostgreSQL."""
    name = f"chaos_{uuid.uuid4().hex[:12]}"
    server = os.environ["TEST_POSTGRES_URL"]
    yield postgres.create_database(server, name, template=templates("orders", "postgresql"))
    postgres.drop_database(server, name)


def is_written(product: Product) -> bool:
    """Whether an order is written now."""
    return product.write("orders").status == 201


def test_a_database_that_freezes_again_and_again(launch: Launch, database: str) -> None:
    """It comes back twice; the third time the product is stopped while it is frozen."""
    with (
        run_proxy(database) as (proxy, through),
        launch(ORDERS_DATABASE_URL=through, GATEWAY_RPC_TIMEOUT=str(RPC_SECONDS)) as product,
    ):
        load = Load(product, OTHERS)
        for _ in range(2):
            wait_for(lambda: is_written(product), "no order is written")
            proxy.is_mute.set()
            with ThreadPoolExecutor(3) as callers:
                frozen = list(callers.map(product.write, ["orders"] * 3))
            assert {each.status for each in frozen} <= {503, 504}
            wait_for(
                lambda: product.readiness()[1]["services"]["orders"] != "ok", "it claims to be ok"
            )
            load.wait_for_more()
            proxy.is_mute.clear()
            wait_for(lambda: is_ready(product), "it does not come back")
        load.stop()
        assert load.failures == []
        assert is_written(product)
        proxy.is_mute.set()
        assert product.write("orders").status in (503, 504)
        product.process.terminate()
        assert product.process.wait(60) == 0
        assert "orders stopped (rc=0)" in product.lines()
        assert "killed" not in product.lines()


@pytest.fixture
def small_disk(tmp_path: Path, templates: Callable[[str, str], str]) -> Iterator[Path]:
    """A file system of 8 MiB with a store of orders."""
    if os.geteuid() != 0:
        pytest.fail("This test mounts a tmpfs: run it as root.")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    shutil.copy(templates("orders", "sqlite"), folder / "orders.db")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"0" * 4096)
        except OSError:
            pass


def test_a_full_disk_is_503_until_there_is_room(launch: Launch, small_disk: Path) -> None:
    with launch(ORDERS_DATABASE_URL=f"sqlite:///{small_disk}/orders.db") as product:
        load = Load(product, OTHERS)
        made = product.write("orders").json()["id"]
        fill(small_disk / "filler")
        found: Answer = wait_for(
            lambda: (answer := product.write("orders")).status != 201 and answer, "room is left"
        )
        for answer in (found, product.write("orders")):
            assert answer.status == 503, answer
            assert int(answer.headers["retry-after"]) > 0
        wait_for(
            lambda: product.readiness()[1]["services"]["orders"] == "not serving", "it is ready"
        )
        read = product.ask("GET", f"/v1/orders/{made}", **product.credentials("orders"))
        assert read.status == 200
        lines = [json.loads(line) for line in product.log("orders").splitlines()]
        assert {line["database_error"] for line in lines if line.get("database_error")} & {
            "SQLITE_FULL",
            "SQLITE_IOERR_WRITE",
        }
        assert "orders: error: not ready" in product.lines()
        load.wait_for_more()
        (small_disk / "filler").unlink()
        wait_for(lambda: is_ready(product), "it does not come back")
        assert is_written(product)
        load.stop()
        assert load.failures == []

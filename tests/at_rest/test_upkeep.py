"""An encrypted store is looked after: backed up, restored, examined, and refused when changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from grpc import StatusCode
from sqlalchemy import select, update

from chassis.store.database import Database
from chassis.store.encryption.registry import register_key
from orders_svc.__main__ import cli
from orders_svc.definition import SERVICE
from orders_svc.store import tables
from protos import orders_pb2
from tests.at_rest.stories import PLANTED, build_order
from tests.orders_svc.bodies import request
from tests.orders_svc.rpcs.test_get_order import fetch_order
from tests.serving import build_keyring, serve, write_keys


@pytest.fixture
def url(store_url: Callable[[str, str], str], engine: str) -> str:
    """The URL of an encrypted store of two orders."""
    made = store_url("orders", engine)
    database = Database(made, keyring=build_keyring("a"))
    register_key(database, SERVICE.keys)
    served = serve("orders", database)
    for number in range(2):
        served.call("CreateOrder", request(build_order()), idempotency_key=f"key-{number}")
    served.stop()
    return made


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """A file with the key of that store."""
    return write_keys(tmp_path / "ring", "a")


def run(url: str, ring: Path | None, folder: Path, *words: str) -> Result:
    """Run a command in this process."""
    environment = {"ENCRYPTION_KEYS": str(ring or ""), "DATA_DIR": str(folder)}
    return CliRunner(env=environment).invoke(cli, ["--database-url", url, *words])


def examine(url: str, ring: Path | None, folder: Path) -> list[str]:
    """What `doctor` says of keys."""
    done = run(url, ring, folder, "doctor")
    return [line for line in done.output.splitlines() if "key" in line.lower()]


def list_ids(database: Database) -> list[str]:
    """The ids of the orders."""
    with database.read() as tx:
        return list(tx.execute(select(tables.orders.c.id).order_by(tables.orders.c.id)).scalars())


def test_doctor_compares_ring_and_store(url: str, ring: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert examine(url, ring, folder) == []
    lost = "fault: The database has rows that are encrypted with the key a"
    assert examine(url, None, folder) == [f"{lost}: set ENCRYPTION_KEYS."]
    other = write_keys(tmp_path / "other", "b")
    assert examine(url, other, folder) == [
        f"{lost}, which ENCRYPTION_KEYS lacks: put it back, last in the file."
    ]
    both = write_keys(tmp_path / "both", "b", "a")
    assert examine(url, both, folder) == [
        "warning: Rows may be encrypted with former keys (a):"
        " run `python -m orders_svc keys rotate`."
    ]
    assert run(url, both, folder, "keys", "rotate").exit_code == 0
    assert examine(url, both, folder) == []


def test_doctor_looks_at_the_file_of_keys(url: str, ring: Path, tmp_path: Path) -> None:
    told = f"ENCRYPTION_KEYS: {ring} is in the data folder, whose copies it opens: keep it apart."
    assert examine(url, ring, tmp_path) == [f"warning: {told}"]
    ring.chmod(0o644)
    told = f"ENCRYPTION_KEYS: {ring} may be readable by its owner alone: chmod 600 {ring}"
    assert f"fault: {told}" in examine(url, ring, tmp_path / "data")


def test_a_backup_is_encrypted_and_needs_its_keys(
    store_url: Callable[[str, str], str], url: str, ring: Path, tmp_path: Path, engine: str
) -> None:
    target = tmp_path / "orders.backup"
    done = run(url, None, tmp_path, "backup", str(target))
    if engine == "postgresql":
        assert "keep the file of ENCRYPTION_KEYS apart from it." in done.output
        return
    assert done.output.splitlines()[1:] == [
        "It is encrypted, and opens with the keys a only: keep the file of ENCRYPTION_KEYS"
        " apart from it."
    ]
    assert PLANTED["email"].encode() not in target.read_bytes()
    again = f"sqlite:///{tmp_path}/again/orders.db"
    told = run(again, None, tmp_path, "restore", str(target)).output.splitlines()
    assert told[1:] == ["It is encrypted: ENCRYPTION_KEYS has to name a file with the keys a."]
    refused = run(again, None, tmp_path, "persons", "export", "--email", PLANTED["email"])
    assert refused.stderr == (
        "Error: The database has rows that are encrypted with the key a: set ENCRYPTION_KEYS.\n"
    )
    exported = run(again, ring, tmp_path, "persons", "export", "--email", PLANTED["email"])
    assert PLANTED["last_name"] in exported.stdout


@pytest.mark.parametrize("column", ["document", "traced"])
@pytest.mark.parametrize("way", ["swapped", "tampered", "truncated", "under a lost key"])
def test_a_changed_row_is_refused(url: str, tmp_path: Path, column: str, way: str) -> None:
    served = serve("orders", Database(url, keyring=build_keyring("a")))
    try:
        first, second = list_ids(served.database)
        place = tables.orders.c[column]
        with served.database.write() as tx:
            other = tx.execute(select(place).where(tables.orders.c.id == second)).scalar_one()
            values = {
                "swapped": other,
                "tampered": other[:-9] + ("A" if other[-9] != "A" else "B") + other[-8:],
                "truncated": other[:40],
                "under a lost key": other.replace("a", "z", 1),
            }
            change: Any = update(tables.orders).values({column: values[way]})
            tx.execute(change.where(tables.orders.c.id == first))
            if way != "swapped":
                tx.execute(change.where(tables.orders.c.id == second))
        asked = orders_pb2.GetOrderRequest(order_id=first)
        failure = served.refusal("GetOrder", asked)
        assert failure.code == StatusCode.INTERNAL
        assert failure.message.startswith("Something went wrong; its id is ")
        address = ("--email", PLANTED["email"])
        done = run(url, write_keys(tmp_path / "ring", "a"), tmp_path, "persons", "export", *address)
        told = f"Error: An encrypted value does not open (orders {column} ord_"
        assert (done.exit_code, done.stderr.startswith(told)) == (1, True), done.stderr
        listed = served.call("SearchOrders", orders_pb2.SearchOrdersRequest(), kind="Dashboard")
        assert {first, second} <= {each.id for each in listed.data}
        if way == "swapped":
            assert fetch_order(served, second).patient.email == PLANTED["email"]
    finally:
        served.stop()

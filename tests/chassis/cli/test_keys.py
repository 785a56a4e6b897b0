"""The commands about keys, on a store of the orders service: plain at first, then encrypted."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from chassis.store.database import Database
from chassis.store.encryption.files import write_file
from orders_svc.__main__ import cli
from orders_svc.store import tables
from orders_svc.store.orders import get_submitted_order
from protos.orders_pb2 import SearchOrdersRequest
from subscriptions_svc.__main__ import cli as subscriptions_cli
from tests.orders_svc.bodies import example, request
from tests.serving import build_keyring, serve, write_keys

ROOT = Path(__file__).parents[3]
ORDERS = 5


@pytest.fixture
def url(store_url: Callable[[str, str], str], engine: str) -> str:
    """The URL of a store with some plain orders."""
    url = store_url("orders", engine)
    served = serve("orders", Database(url))
    for number in range(ORDERS):
        body = {**example(), "patient": {"first_name": "Ada", "last_name": f"Quark {number}"}}
        served.call("CreateOrder", request(body), idempotency_key=f"key-{number}")
    served.stop()
    return url


def run(url: str, ring: Path | None, *words: str) -> Result:
    """Run a command in this process."""
    given = ["--encryption-keys", str(ring)] if ring else []
    environment = {"ENCRYPTION_KEYS": ""}
    return CliRunner(env=environment).invoke(cli, ["--database-url", url, *given, *words])


def list_keys(url: str, ring: Path | None) -> list[list[str]]:
    done = run(url, ring, "keys", "list")
    assert done.exit_code == 0, done.output
    headers, *rows = [line.split("\t") for line in done.output.splitlines()]
    assert headers == ["key", "rows", "state"]
    return rows


def find_orders(url: str, ring: str, text: str) -> list[str]:
    served = serve("orders", Database(url, keyring=build_keyring(*ring.split())))
    try:
        asked = SearchOrdersRequest(text=text, limit=10)
        found = served.call("SearchOrders", asked, kind="Dashboard")
        return sorted(each.patient for each in found.data)
    finally:
        served.stop()


def test_it_works(url: str, tmp_path: Path) -> None:
    ring = write_keys(tmp_path / "ring", "a")
    plain = 2 * ORDERS  # orders and kept answers
    assert list_keys(url, ring) == [["a", "0", "current"], ["-", str(plain), "plain"]]
    done = run(url, ring, "keys", "rotate")
    lines = [line for line in done.output.splitlines() if not line.endswith("...")]
    assert (done.exit_code, lines) == (
        0,
        [
            f"orders\t{ORDERS}",
            "order_history\t0",
            "messages\t0",
            "outbox\t0",
            f"idempotency_keys\t{ORDERS}",
            "messages/\t0",
        ],
    )
    assert list_keys(url, ring) == [["a", str(plain), "current"], ["-", "0", "plain"]]
    ada = [f"Ada Quark {number}" for number in range(ORDERS)]
    assert find_orders(url, "a", "quark ada") == ada
    assert find_orders(url, "a", "qua 3") == ada[3:4]


def test_a_new_key_takes_over(url: str, tmp_path: Path) -> None:
    assert run(url, write_keys(tmp_path / "old", "a"), "keys", "rotate").exit_code == 0
    ring = write_keys(tmp_path / "new", "b", "a")
    count = str(2 * ORDERS)
    assert list_keys(url, ring) == [
        ["b", "0", "current"],
        ["a", count, "former"],
        ["-", "0", "plain"],
    ]
    assert len(find_orders(url, "b a", "quark")) == ORDERS
    assert run(url, ring, "keys", "rotate").exit_code == 0
    alone = write_keys(tmp_path / "alone", "b")
    assert list_keys(url, alone) == [["b", count, "current"], ["-", "0", "plain"]]
    assert len(find_orders(url, "b", "quark")) == ORDERS


def test_plain_and_former_rows_are_found_before_a_rotation(url: str, tmp_path: Path) -> None:
    served = serve("orders", Database(url, keyring=build_keyring("a")))
    body = {**example(), "patient": {"first_name": "Bo", "last_name": "Quark"}}
    served.call("CreateOrder", request(body))
    served.stop()
    assert find_orders(url, "b a", "quark") == [
        *(f"Ada Quark {number}" for number in range(ORDERS)),
        "Bo Quark",
    ]


@pytest.mark.parametrize("words", [(), ("dispatch",), ("accounts", "list"), ("keys", "list")])
def test_a_start_without_the_key_is_refused(
    url: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert run(url, write_keys(tmp_path / "ring", "a"), "keys", "rotate").exit_code == 0
    refused = run(url, None, *words)
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: The database has rows that are encrypted with the key a: set ENCRYPTION_KEYS.\n",
    )
    refused = run(url, write_keys(tmp_path / "other", "b"), *words)
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: The database has rows that are encrypted with the key a, which ENCRYPTION_KEYS"
        " lacks: put it back, last in the file.\n",
    )


def test_a_bad_file_is_refused(url: str, tmp_path: Path) -> None:
    ring = write_keys(tmp_path / "ring", "a")
    ring.chmod(0o644)
    refused = run(url, ring, "keys", "list")
    assert (refused.exit_code, refused.output) == (
        1,
        f"Error: ENCRYPTION_KEYS: {ring} may be readable by its owner alone: chmod 600 {ring}\n",
    )
    missing = run(url, tmp_path / "missing", "keys", "list")
    assert missing.exit_code == 1
    assert "ENCRYPTION_KEYS: [Errno 2] No such file" in missing.output


def test_without_a_ring_nothing_is_rotated(url: str) -> None:
    refused = run(url, None, "keys", "rotate")
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: Encryption is off: set ENCRYPTION_KEYS.\n",
    )


def test_a_killed_rotation_continues(url: str, tmp_path: Path) -> None:
    many = 600
    database = Database(url)
    with database.write() as tx:
        row = dict(tx.execute(select(tables.orders).limit(1)).one()._mapping)
        copies = [{**row, "id": f"ord_{n:024x}"} for n in range(many)]
        tx.execute(insert(tables.orders), copies)
    database.close()
    ring = write_keys(tmp_path / "ring", "a")
    command = [sys.executable, "-u", "-m", "orders_svc", "keys", "rotate"]
    environment = {**os.environ, "DATABASE_URL": url, "ENCRYPTION_KEYS": str(ring)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as rotating:
        assert rotating.stdout
        assert re.fullmatch(r"orders\t\d+ ...\n", rotating.stdout.readline())
        rotating.send_signal(signal.SIGKILL)
    listed = {line[0]: int(line[1]) for line in list_keys(url, ring)}
    assert 0 < listed["a"] < many
    assert listed["-"] > 0
    assert sum(listed.values()) == many + 2 * ORDERS
    assert run(url, ring, "keys", "rotate").exit_code == 0
    assert list_keys(url, ring) == [["a", str(many + 2 * ORDERS), "current"], ["-", "0", "plain"]]
    database = Database(url, keyring=build_keyring("a"))
    with database.read() as tx:
        found = get_submitted_order(tx, f"ord_{many - 1:024x}")
        assert found.document == row["document"]
    database.close()


def test_a_sealed_file_is_printed(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    url, ring = store_url("subscriptions", engine), write_keys(tmp_path / "ring", "a")
    write_file(tmp_path / "messages" / "1.eml", b"To: Ada\n", None)

    def call(*words: str) -> Any:
        options = ["--database-url", url, "--data-dir", str(tmp_path)]
        done = CliRunner().invoke(
            subscriptions_cli, [*options, "--encryption-keys", str(ring), "keys", *words]
        )
        return done.exit_code, done.output

    headers = "key\trows\tstate\n"
    assert call("list") == (0, f"{headers}a\t0\tcurrent\n-\t1\tplain\n")
    assert call("rotate")[0] == 0
    assert call("list") == (0, f"{headers}a\t1\tcurrent\n-\t0\tplain\n")
    path = tmp_path / "messages" / "1.eml.sealed"
    assert call("open", str(path)) == (0, "To: Ada\n")
    renamed = path.rename(path.with_name("2.eml.sealed"))
    assert call("open", str(renamed)) == (
        1,
        f"Error: {renamed} does not open: it is damaged or renamed, or the ring lacks its key.\n",
    )

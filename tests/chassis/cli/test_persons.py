"""The commands about one person, and retention by the periodic job, on both engines."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from chassis.audit.trail import decode_ids
from chassis.store.database import Database
from orders_svc.__main__ import cli
from orders_svc.store import tables
from orders_svc.store.tables import audit
from tests.orders_svc.bodies import example, put, request
from tests.serving import Served

ROOT = Path(__file__).parents[3]
CANARY = "Quixleyzzyx"
# The service, which deletes and erases every 50 ms.
SERVE = """
import sys
from chassis.server import server
server.CLEANUP_SECONDS = 0.05
from orders_svc.__main__ import cli
cli(sys.argv[1:])
"""


def run(url: str, *words: str) -> Any:
    """Run a command in this process; return its exit code and output."""
    return CliRunner().invoke(cli, ["--database-url", url, *words])


@pytest.fixture(scope="module")
def url(orders: Served) -> str:
    """The URL of the store of a running service."""
    return orders.database.url.render_as_string(hide_password=False)


@pytest.fixture
def email(orders: Served, unique: str) -> str:
    """The address of a patient with one cancelled order."""
    address = f"{unique}@example.com"
    body = example()
    body["patient"] = {"first_name": "Ann", "last_name": CANARY, "email": address}
    put(body, "special_instructions", CANARY)
    made = orders.call("CreateOrder", request(body))
    with orders.database.write() as tx:
        this = tables.orders.c.id == made.id
        tx.execute(update(tables.orders).where(this).values(lab_status="cancelled"))
    return address


def read_audit(database: Database, rpc: str) -> list[Any]:
    """The entries of a command."""
    query = select(audit.entries).where(audit.entries.c.rpc == rpc)
    with database.read() as tx:
        return list(tx.execute(query.order_by(audit.entries.c.number)))


def test_export_and_erase(orders: Served, url: str, email: str) -> None:
    exported = run(url, "persons", "export", "--email", email.upper())
    assert exported.exit_code == 0, exported.stderr
    (order,) = json.loads(exported.stdout)["orders"]
    assert order["document"]["patient"]["last_name"] == CANARY
    assert (order["client"], order["lab_status"]) == ("demo-client", "cancelled")

    erased = run(url, "persons", "erase", "--email", email)
    assert (erased.exit_code, erased.stdout) == (0, "1 erased\n")
    for rpc in ("persons export", "persons erase"):
        entry = read_audit(orders.database, rpc)[-1]
        assert decode_ids(entry) == [order["id"]]
        assert entry.actor.startswith("os:")
    for command in ("export", "erase"):
        done = run(url, "persons", command, "--email", email)
        said = "Error: Nothing is kept of such a person.\n"
        assert (done.exit_code, done.stderr) == (1, said)


def test_a_file_no_longer_holds_what_was_erased(
    orders: Served, url: str, email: str, engine: str
) -> None:
    if engine != "sqlite":
        return
    run(url, "persons", "erase", "--email", email)
    path = Path(str(orders.database.url.database))
    for file in (path, Path(f"{path}-wal")):
        assert email.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Name the person by one of --email, --phone, --user-key, --person-ref, --nin."),
        (["--email", "a@example.com", "--phone", "1"], "Name the person by one of"),
        (["--nin", "12345678Z"], "This service does not know persons by that."),
        (["--user-key", "u1"], "This service does not know persons by that."),
        (["--email", ""], "The value is empty."),
        (["--phone", "abc"], "The value is empty."),
        (["--email", "nobody@example.com"], "Nothing is kept of such a person."),
    ],
)
def test_a_person_is_named_in_one_way(url: str, words: list[str], said: str) -> None:
    for command in ("export", "erase"):
        done = run(url, "persons", command, *words)
        assert (done.exit_code in (1, 2), said in done.stderr) == (True, True), done.stderr


def test_retention_runs_with_the_periodic_job(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    url = store_url("orders", engine)
    with closing(Database(url)) as database:
        old, new = add_orders(database)
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, "serve", "--listen", "127.0.0.1:0"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": url,
                "DATA_DIR": str(tmp_path),
                "RETAIN_ORDERS": "365d",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            end = time.monotonic() + 60
            while read_name(database, old):
                assert time.monotonic() < end
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        assert read_name(database, new) == CANARY
        (entry,) = read_audit(database, "persons erase")
        assert (entry.actor, decode_ids(entry)) == ("retention", [old])


def test_retention_runs_once_on_command(store_url: Callable[[str, str], str], engine: str) -> None:
    url = store_url("orders", engine)
    with closing(Database(url)) as database:
        old, new = add_orders(database)
        done = run(url, "retain")
        assert (done.exit_code, "Nothing expires" in done.stdout) == (0, True)
        assert read_name(database, old) == CANARY
        words = ["--retain", "365d", "--retain-audit", "365d"]
        done = CliRunner().invoke(cli, ["--database-url", url, *words, "retain"])
        assert done.exit_code == 0, done.output
        assert done.stdout == "erased: 1\nentries of the audit trail deleted: 0\n"
        assert [read_name(database, each) for each in (old, new)] == ["", CANARY]
        (entry,) = read_audit(database, "persons erase")
        assert (entry.actor, decode_ids(entry)) == ("retention", [old])


def add_orders(database: Database) -> list[str]:
    """Two shipped orders: one of two years ago, and one of now."""
    from tests.serving import serve

    served = serve("orders", database)
    body = example()
    put(body, "patient.last_name", CANARY)
    ids = [served.call("CreateOrder", request(body)).id for _ in range(2)]
    served.channel.close()
    with database.write() as tx:
        for age, id_ in zip((730, 0), ids, strict=True):
            moment = datetime.now(UTC) - timedelta(days=age)
            values = {"lab_status": "shipped", "updated_at": moment}
            tx.execute(update(tables.orders).where(tables.orders.c.id == id_).values(values))
    served.running.readiness.stop()
    served.running.server.stop(0).wait()
    for loop in served.running.loops:
        loop.stop()
    return ids


def read_name(database: Database, order_id: str) -> str:
    """The patient's last name in an order."""
    with database.read() as tx:
        this = tables.orders.c.id == order_id
        document = tx.execute(select(tables.orders.c.document).where(this)).scalar_one()
    return str(document["patient"]["last_name"])

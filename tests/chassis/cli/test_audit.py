"""The commands about the audit trail: the orders service stands for all, on both engines."""

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from chassis.audit.sealer import Sealer
from chassis.audit.trail import build_entry, decode_ids
from chassis.store.database import Database
from orders_svc.__main__ import cli
from orders_svc.store.tables import audit, orders
from protos.orders_pb2 import GetOrderRequest
from tests.chassis.audit.trails import clear, wait_until
from tests.chassis.cli.test_service import OPTICIAN, Process, serving
from tests.orders_svc.bodies import example, request
from tests.serving import build_basic


def run(url: str, *words: str) -> Any:
    """Run a command in this process; return its exit code and output."""
    return CliRunner().invoke(cli, ["--database-url", url, *words])


def add(store: Database, account: str, *ids: str, age: timedelta = timedelta()) -> None:
    """Add an entry of some age."""
    entry = build_entry(
        account=account, actor="a@example.com", rpc="OrderService/GetOrder", ids=ids, request_id="r"
    )
    with store.write() as tx:
        audit.add(tx, {**entry, "at": datetime.now(UTC) - age})


@pytest.fixture(scope="module")
def url(store_url: Callable[[str, str], str], engine: str) -> str:
    """The URL of a store with the demo data."""
    return store_url("orders", engine)


@pytest.fixture
def store(url: str) -> Iterator[Database]:
    """That store, with three entries, the first of which is sealed."""
    with closing(Database(url)) as database:
        clear(database, audit)
        add(database, "old-client", "ord_1", age=timedelta(days=3))
        Sealer(database, audit, lambda: datetime.now(UTC) - timedelta(days=2)).seal()
        add(database, "demo-client", "ord_1", "ord_2")
        add(database, "demo-client", "ord_11")
        yield database


def test_list_shows_the_newest_first(url: str, store: Database) -> None:
    header, *lines = [line.split("\t") for line in run(url, "audit", "list").stdout.splitlines()]
    assert header == ["at", "account", "actor", "rpc", "outcome", "request id", "ids"]
    assert [line[1:] for line in lines] == [
        ["demo-client", "a@example.com", "OrderService/GetOrder", "OK", "r", "ord_11"],
        ["demo-client", "a@example.com", "OrderService/GetOrder", "OK", "r", "ord_1 ord_2"],
        ["old-client", "a@example.com", "OrderService/GetOrder", "OK", "r", "ord_1"],
    ]
    assert len(run(url, "audit", "list", "--limit", "1").stdout.splitlines()) == 2
    (newest,) = json.loads(run(url, "audit", "list", "--limit", "1", "--json").stdout)
    assert dict(zip(header, lines[0], strict=True)) == {
        name.replace("_", " "): value for name, value in newest.items()
    }


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], [["ord_1"], ["ord_1", "ord_2"], ["ord_11"]]),
        (["--id", "ord_1"], [["ord_1"], ["ord_1", "ord_2"]]),
        (["--id", "ord_%"], []),
        (["--account", "old-client"], [["ord_1"]]),
        (["--since", "24h"], [["ord_1", "ord_2"], ["ord_11"]]),
        (["--since", "2000-01-01", "--account", "nobody"], []),
        (["--since", "3000-01-01T00:00:00Z"], []),
    ],
)
def test_export_writes_json_lines(
    url: str, store: Database, words: list[str], found: list[list[str]]
) -> None:
    done = run(url, "audit", "export", *words)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.exit_code, [entry["ids"] for entry in entries]) == (0, found)
    for entry in entries:
        assert set(entry) == {column.name for column in audit.entries.c}


@pytest.mark.parametrize("since", ["yesterday", "1y", "-1h", "999999d", "\u0661h", ""])
def test_a_moment_that_is_none_is_refused(url: str, since: str) -> None:
    done = run(url, "audit", "list", "--since", since)
    assert (done.exit_code, "--since" in done.stderr) == (2, True)


def test_verify_names_the_tail(url: str, store: Database) -> None:
    done = run(url, "audit", "verify")
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0]) == (0, "1 seals cover 1 entries")
    digest = lines[1].rpartition(" ")[2]
    assert lines[2].startswith("not sealed yet: 2 entries, numbers ")
    assert run(url, "audit", "verify", "--digest", digest).exit_code == 0
    done = run(url, "audit", "verify", "--digest", "f" * 64)
    assert (done.exit_code, "BREAK: no seal has the digest" in done.stdout) == (1, True)


def test_verify_finds_a_break(url: str, store: Database) -> None:
    with store.write() as tx:
        old = audit.entries.c.account == "old-client"
        tx.execute(update(audit.entries).where(old).values(account="somebody-else"))
    done = run(url, "audit", "verify")
    assert (done.exit_code, "BREAK: seal 1 " in done.stdout) == (1, True)
    with store.write() as tx:
        tx.execute(delete(audit.entries))
    assert "1 of 1 were removed" in run(url, "audit", "verify").stdout


def test_an_empty_trail_holds(url: str, store: Database) -> None:
    clear(store, audit)
    done = run(url, "audit", "verify")
    assert (done.exit_code, done.stdout) == (0, "0 seals cover 0 entries\n")
    assert len(run(url, "audit", "list").stdout.splitlines()) == 1
    assert run(url, "audit", "list", "--json").stdout == "[]\n"


def test_what_an_operator_does_is_recorded(url: str, store: Database) -> None:
    assert run(url, "accounts", "add", "audited-client").exit_code == 0
    (entry,) = [
        json.loads(line)
        for line in run(url, "audit", "export").stdout.splitlines()
        if "accounts" in line
    ]
    assert (entry["account"], entry["rpc"]) == (None, "accounts add")
    assert entry["actor"].startswith("os:")


@pytest.mark.parametrize("bad", ["30", "0d", "-1d", "d", "36501d", "1.5d", "x", "9" * 30 + "d"])
@pytest.mark.parametrize("name", ["RETAIN_AUDIT", "RETAIN_ORDERS"])
def test_a_retention_is_a_number_of_days(url: str, name: str, bad: str) -> None:
    words = ["--database-url", url, "accounts", "list"]
    done = CliRunner().invoke(cli, words, env={name: bad})
    assert (done.exit_code, "is not a number of days" in done.stderr) == (2, True)
    assert CliRunner().invoke(cli, words, env={name: "30d"}).exit_code == 0


def test_a_kill_loses_no_entry_of_a_change(
    store_url: Callable[[str, str], str], engine: str
) -> None:
    """Every acknowledged order has its entry, every order one, and the chain holds."""
    url = store_url("orders", engine)
    metadata = [("authorization", build_basic("demo-client")), OPTICIAN]
    acknowledged: list[str] = []

    def order(process: Process) -> None:
        with suppress(grpc.RpcError):  # until it is killed
            while True:
                acknowledged.append(process.call("CreateOrder", request(example()), *metadata).id)

    with serving(url) as process, ThreadPoolExecutor(4) as pool:
        work = [pool.submit(order, process) for _ in range(4)]
        wait_until(lambda: len(acknowledged) >= 40)
        process.process.kill()
        for each in work:
            each.result()
    with closing(Database(url)) as database:
        # In one snapshot: PostgreSQL still ends what the killed process had begun.
        with database.stream() as tx:
            ids = set(tx.execute(select(orders.c.id)).scalars())
            entries = [
                id_
                for row in tx.execute(select(audit.entries).where(audit.entries.c.outcome == "OK"))
                for id_ in decode_ids(row)
            ]
        assert set(acknowledged) <= ids
        assert sorted(entries) == sorted(ids)
        Sealer(database, audit).seal()
    assert run(url, "audit", "verify").exit_code == 0


def test_a_terminated_service_has_written_its_reads(
    store_url: Callable[[str, str], str], engine: str
) -> None:
    url = store_url("orders", engine)
    metadata = [("authorization", build_basic("demo-client")), OPTICIAN]
    with serving(url) as process:
        made = process.call("CreateOrder", request(example()), *metadata)
        process.call("GetOrder", GetOrderRequest(order_id=made.id), *metadata)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(60) == 0
    lines = run(url, "audit", "export", "--id", made.id).stdout.splitlines()
    assert [json.loads(line)["rpc"] for line in lines] == [
        "OrderService/CreateOrder",
        "OrderService/GetOrder",
    ]

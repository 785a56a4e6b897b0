"""The command line of a service, by real processes: the orders service stands for all."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from chassis.store.database import Database
from chassis.store.migrations import find_schema_differences
from chassis.store.versions import is_current
from orders_svc.__main__ import cli
from orders_svc.definition import SERVICE
from protos.orders_pb2 import CreateTokenRequest, ListLabsRequest
from protos.orders_pb2_grpc import OrderServiceStub
from tests import postgres
from tests.orders_svc.bodies import example, request
from tests.ports import find_free_address
from tests.serving import build_basic

ROOT = Path(__file__).parents[3]
OPTICIAN = ("user-email", "optician@example.com")


def start_process(url: str, *words: str, **environment: str) -> subprocess.Popen[str]:
    """`python -m orders_svc` on a store."""
    return subprocess.Popen(
        [sys.executable, "-m", "orders_svc", *words],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(url: str, *words: str) -> Any:
    """Run a command in this process; return its exit code and output."""
    return CliRunner().invoke(cli, ["--database-url", url, *words])


@dataclass
class Process:
    """A service that runs."""

    process: subprocess.Popen[str]
    address: str
    lines: list[dict[str, Any]] = field(default_factory=list)

    def read(self) -> None:
        """Read a line of its log."""
        assert self.process.stdout
        self.lines.append(json.loads(self.process.stdout.readline()))

    def call(self, rpc: str, message: Any, *metadata: tuple[str, str]) -> Any:
        """Call it."""
        with grpc.insecure_channel(self.address) as channel:
            stub: Any = OrderServiceStub(channel)
            return getattr(stub, rpc)(message, timeout=10, metadata=metadata)


@contextmanager
def serving(url: str) -> Iterator[Process]:
    """The service in a process of its own."""
    address = find_free_address()
    with start_process(url, LISTEN=address) as process:
        running = Process(process, address)
        try:
            running.read()
            yield running
        finally:
            process.kill()


@pytest.fixture
def empty(engine: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a store without tables."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path}/orders.db"
        return
    server, name = os.environ["TEST_POSTGRES_URL"], f"empty_{uuid.uuid4().hex[:12]}"
    yield postgres.create_database(server, name)
    postgres.drop_database(server, name)


@pytest.fixture(scope="module")
def url(store_url: Callable[[str, str], str], engine: str) -> str:
    """The URL of a store with the demo data."""
    return store_url("orders", engine)


@pytest.fixture(scope="module")
def service(url: str) -> Iterator[Process]:
    """The service on that store."""
    with serving(url) as process:
        yield process


def test_it_works(service: Process) -> None:
    assert service.lines[0]["event"] == "listening"
    assert service.lines[0]["address"] == service.address
    labs = service.call(
        "ListLabs", ListLabsRequest(), ("authorization", build_basic("demo-client")), OPTICIAN
    )
    assert len(labs.data) == 2


def test_two_migrate_at_once_and_one_again(empty: str) -> None:
    processes = [start_process(empty, "migrate") for _ in range(2)]
    assert [(process.wait(60), process.communicate()[1]) for process in processes] == [(0, "")] * 2
    assert run(empty, "migrate").exit_code == 0
    database = Database(empty)
    assert is_current(database, SERVICE.migrations)
    assert find_schema_differences(database, SERVICE.metadata) == []
    database.close()


def test_an_older_store_is_not_used(empty: str) -> None:
    Database(empty).close()
    advice = "The database is not at this version: run `python -m orders_svc migrate`."
    for words in ([], ["serve"], ["accounts", "list"], ["load", str(ROOT / "demo/orders.toml")]):
        done = run(empty, *words)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"Error: {advice}\n")


def test_an_account_is_added_listed_and_revoked(url: str, service: Process) -> None:
    added = run(url, "accounts", "add", "new-client")
    secret = added.stdout.strip()
    assert (added.exit_code, len(secret) >= 40) == (0, True)
    request_ = CreateTokenRequest(client_id="new-client", client_secret=secret)
    assert service.call("CreateToken", request_).token

    listed = run(url, "accounts", "list").stdout
    assert "new-client\tclient\t" in listed
    assert "demo-staff\tstaff\t" in listed
    assert secret not in listed

    assert run(url, "accounts", "revoke", "new-client").exit_code == 0
    with pytest.raises(grpc.RpcError) as raised:
        service.call("CreateToken", request_)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "\trevoked 20" in run(url, "accounts", "list").stdout


def test_a_revoked_account_does_not_come_back(url: str) -> None:
    run(url, "accounts", "add", "gone-client")
    run(url, "accounts", "revoke", "gone-client")
    for words, said in [
        (["revoke", "gone-client"], "Error: No live account has this name.\n"),
        (["revoke", "nobody"], "Error: No live account has this name.\n"),
        (
            ["add", "gone-client"],
            "Error: An account has this name; revoked names are not used again.\n",
        ),
        (["add", "a b"], "Error: An account name is 1-64 characters of A-Z a-z 0-9 . _ -\n"),
        (["add", "x" * 65], "Error: An account name is 1-64 characters of A-Z a-z 0-9 . _ -\n"),
    ]:
        done = run(url, "accounts", *words)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", said)


def test_a_role_is_one_of_two(url: str) -> None:
    assert run(url, "accounts", "add", "desk", "--role", "staff").exit_code == 0
    done = run(url, "accounts", "add", "root", "--role", "root")
    assert (done.exit_code, "'root' is not one of 'client', 'staff'" in done.stderr) == (2, True)


def test_health_is_an_exit_code(url: str, service: Process) -> None:
    done = run(url, "health", "--listen", service.address)
    assert (done.exit_code, done.stderr) == (0, "")
    done = run(url, "health", "--listen", "127.0.0.1:1")
    assert (done.exit_code, done.stderr) == (1, "Error: 127.0.0.1:1: UNAVAILABLE\n")


def test_a_port_or_a_file_that_is_taken_is_named(
    url: str, engine: str, service: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.store.sqlite.SERVE_WAIT_SECONDS", 0.2)
    done = run(url, "serve", "--listen", service.address)
    # A port may be free a moment later; a file is served until somebody stops that process.
    code = os.EX_CONFIG if engine == "sqlite" else 1
    reason = "Another process serves /" if engine == "sqlite" else "Cannot listen on 127."
    assert done.exit_code == code
    assert done.stderr.startswith(f"Error: {reason}")


@pytest.mark.parametrize("bad", ["nonsense", "sqlite://", "mysql://h/x", "postgresql://[::1/x"])
def test_an_invalid_database_url_is_reported(bad: str) -> None:
    done = run(bad, "accounts", "list")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: DATABASE_URL: ")


def test_an_unreachable_database_is_reported() -> None:
    done = run("postgresql://nobody:top-secret@127.0.0.1:1/x", "accounts", "list")
    said = "Error: The database does not answer; try again.\n"
    assert (done.exit_code, done.stderr) == (1, said)


@pytest.mark.parametrize(
    ("engine", "number"),
    [("sqlite", signal.SIGTERM), ("sqlite", signal.SIGINT), ("postgresql", signal.SIGTERM)],
    indirect=["engine"],
)
def test_a_signal_lets_the_call_at_work_finish(
    store_url: Callable[[str, str], str], engine: str, number: signal.Signals
) -> None:
    url = store_url("orders", engine)  # of its own: one process serves a file
    metadata = [("authorization", build_basic("demo-client")), OPTICIAN]
    with (
        closing(Database(url)) as database,
        serving(url) as leaving,
        grpc.insecure_channel(leaving.address) as channel,
    ):
        stub: Any = OrderServiceStub(channel)
        with database.write() as tx:
            if engine == "postgresql":
                tx.execute(text("LOCK TABLE orders"))
            work = stub.CreateOrder.future(request(example()), timeout=30, metadata=metadata)
            # One connection keeps its order: what answers after it has found the other call begun.
            stub.ListLabs(ListLabsRequest(), timeout=30, metadata=metadata)
            leaving.process.send_signal(number)
            threading.Event().wait(0.2)
            assert leaving.process.poll() is None
        assert work.result().id.startswith("ord_")
        assert leaving.process.wait(60) == 0
        assert leaving.process.stdout
        said = [json.loads(line)["event"] for line in leaving.process.stdout]
        assert said == ["rpc", "rpc", "stopped"]


def test_a_signal_that_another_thread_takes_ends_it_too(
    store_url: Callable[[str, str], str], engine: str
) -> None:
    with serving(store_url("orders", engine)) as leaving:
        process = leaving.process.pid
        other = max(int(each.name) for each in Path(f"/proc/{process}/task").iterdir())
        assert other != process
        assert ctypes.CDLL(None).tgkill(process, other, signal.SIGTERM) == 0
        assert leaving.process.wait(60) == 0

"""WORKERS=2: two processes of the orders service on PostgreSQL, and the one that starts them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from click.testing import CliRunner

from chassis.cli.processes.workers import list_own_addresses
from chassis.status import Code
from gateway.channel import Channel, RpcError, Tls
from orders_svc.__main__ import cli
from protos.orders_pb2 import CreateOrderResponse, ListLabsRequest, ListLabsResponse
from protos.orders_pb2_grpc import OrderServiceStub
from tests.certificates import Files
from tests.orders_svc.bodies import example, request
from tests.ports import find_free_port
from tests.serving import build_basic

ROOT = Path(__file__).parents[3]
CALLER = (("authorization", build_basic("demo-client")), ("user-email", "optician@example.com"))
SERVICE = "/optigate.orders.v1.OrderService"
STARTED = re.compile(r"worker (\d) started \(pid=(\d+)\)")


@dataclass
class Workers:
    """A service in several processes, and the lines of its log."""

    process: subprocess.Popen[str]
    listen: str
    addresses: list[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def read(self) -> None:
        """Read its log to the end."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def events(self) -> list[str]:
        """What the log says so far."""
        return [line["event"] for line in self.lines]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)

    def pids(self) -> dict[int, int]:
        """The newest process of each worker."""
        found = (STARTED.fullmatch(event) for event in self.events())
        return {int(match[1]): int(match[2]) for match in found if match}

    def listening(self) -> list[str]:
        """The addresses that were opened, one for each start of a worker."""
        return [line["address"] for line in self.lines if line["event"] == "listening"]


@contextmanager
def working(url: str, folder: Path, **environment: str) -> Iterator[Workers]:
    """The service in two processes, which end with the block."""
    listen = f"127.0.0.1:{find_free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "orders_svc"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATA_DIR": str(folder),
            "DATABASE_URL": url,
            "LISTEN": listen,
            "WORKERS": "2",
            **environment,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    first = environment.get("WORKER_LISTEN")
    workers = Workers(process, listen, list_own_addresses("orders", folder, 2, first))
    reader = threading.Thread(target=workers.read)
    reader.start()
    try:
        workers.wait_for(lambda: len(workers.listening()) == 2)
        yield workers
    finally:
        process.terminate()
        try:
            process.wait(40)
        finally:
            process.kill()
        reader.join(40)
        assert process.stdout
        process.stdout.close()


@pytest.fixture(scope="module")
def url(store_url: Callable[[str, str], str]) -> str:
    """The URL of a store with the demo data."""
    return store_url("orders", "postgresql")


def test_calls_spread_over_both_and_a_stop_drains_both(url: str, tmp_path: Path) -> None:
    with working(url, tmp_path) as workers:
        assert sorted(workers.listening()) == workers.addresses
        channel = Channel(",".join(workers.addresses))
        wait_until_live(channel, 2)
        answered = Counter(
            channel.unary(
                f"{SERVICE}/ListLabs",
                ListLabsRequest(),
                ListLabsResponse,
                timeout=10,
                metadata=CALLER,
            ).address
            for _ in range(20)
        )
        assert answered == dict.fromkeys(workers.addresses, 10)
        channel.close()
        with grpc.insecure_channel(workers.listen) as direct:
            stub = OrderServiceStub(direct)
            assert len(stub.ListLabs(ListLabsRequest(), timeout=10, metadata=CALLER).data) == 2
        workers.process.send_signal(signal.SIGTERM)
        assert workers.process.wait(40) == 0
    assert workers.events().count("stopped") == 2
    assert {"worker 1 stopped (rc=0)", "worker 2 stopped (rc=0)"} <= set(workers.events())


@dataclass
class Ports:
    """Workers with metrics and own addresses on ports, and the first one of either."""

    workers: Workers
    metrics: int
    own: int


@pytest.fixture(scope="module")
def ports(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """The service with ports for everything."""
    metrics, own = find_free_port(2), find_free_port(2)
    variables = {"METRICS_LISTEN": f"127.0.0.1:{metrics}", "WORKER_LISTEN": f"127.0.0.1:{own}"}
    with working(url, tmp_path_factory.mktemp("ports"), **variables) as workers:
        yield Ports(workers, metrics, own)


@pytest.fixture(scope="module")
def quiet(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workers, Path]]:
    """The service with the dispatcher off, and its folder."""
    folder = tmp_path_factory.mktemp("quiet")
    variables = {"DISPATCHER": "off", "LISTEN_SOCKET": str(folder / "single.sock")}
    with working(url, folder, **variables) as workers:
        yield workers, folder


def test_each_has_metrics_on_a_port_of_its_own(ports: Ports) -> None:
    channel = Channel(",".join(ports.workers.addresses))
    wait_until_live(channel, 2)
    channel.close()
    for port in (ports.metrics, ports.metrics + 1):
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        assert f'code="OK",rpc="{SERVICE}/ListLabs"' in text
        # The first one dispatches.
        has_dispatcher = "optigate_event_deliveries_in_flight" in text
        assert has_dispatcher == (port == ports.metrics)
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("address", ["nonsense", "busy"])
def test_metrics_that_cannot_be_served_forbid_the_start(
    address: str, url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        if address == "busy":
            address = f"127.0.0.1:{busy.getsockname()[1]}"
        for command in ("serve", "dispatch"):
            environment = {"DATA_DIR": str(tmp_path), "DATABASE_URL": url, "LISTEN": "127.0.0.1:0"}
            done = CliRunner().invoke(cli, [command, "--metrics-listen", address], env=environment)
            assert done.exit_code == 1
            assert "METRICS_LISTEN" in done.output


def call_once(channel: Channel) -> None:
    """Call; raises RpcError."""
    request = ListLabsRequest()
    channel.unary(f"{SERVICE}/ListLabs", request, ListLabsResponse, timeout=10, metadata=CALLER)


def wait_until_live(channel: Channel, count: int) -> None:
    """Call until as many addresses answer."""
    seen: set[str] = set()
    deadline = time.monotonic() + 30
    while len(seen) < count:
        assert time.monotonic() < deadline
        answer = channel.unary(
            f"{SERVICE}/ListLabs",
            ListLabsRequest(),
            ListLabsResponse,
            timeout=10,
            metadata=CALLER,
            repeatable=True,
        )
        seen.add(answer.address)


def create(channel: Channel, key: str) -> CreateOrderResponse:
    """Create an order with an idempotency key; repeats it until there is an answer."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return channel.unary(
                f"{SERVICE}/CreateOrder",
                request(example()),
                CreateOrderResponse,
                timeout=10,
                metadata=(*CALLER, ("idempotency-key", key)),
                repeatable=True,
            ).message
        except RpcError as error:
            if error.code not in {Code.UNAVAILABLE, Code.ABORTED} or time.monotonic() > deadline:
                raise


def test_a_killed_worker_loses_nothing_and_comes_back(url: str, tmp_path: Path) -> None:
    made: dict[str, str] = {}
    with working(url, tmp_path) as workers, ThreadPoolExecutor(4) as pool:
        channel = Channel(",".join(workers.addresses))
        stop = threading.Event()

        def order(number: int) -> None:
            for count in range(1000):
                key = f"{number}-{count}"
                made[key] = create(channel, key).id
                if stop.wait(0.05):
                    return

        load = [pool.submit(order, number) for number in range(4)]
        workers.wait_for(lambda: len(made) >= 20)
        first = workers.pids()
        os.kill(first[2], signal.SIGKILL)
        workers.wait_for(lambda: len(workers.listening()) == 3)
        before = len(made)
        workers.wait_for(lambda: len(made) >= before + 20)
        stop.set()
        for each in load:
            each.result(90)

        assert workers.pids()[1] == first[1]
        assert workers.pids()[2] != first[2]
        assert "worker 2 ended with -9; starting it again" in workers.events()
        assert workers.listening()[2] == workers.addresses[1]
        wait_until_live(channel, 2)
        assert len(set(made.values())) == len(made)
        assert {key: create(channel, key).id for key in made} == made
        channel.close()


def test_a_second_copy_joins_neither_the_port_nor_the_sockets(
    url: str, quiet: tuple[Workers, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.cli.processes.workers.HOLD_SECONDS", 0.2)
    monkeypatch.setenv("WORKERS", "2")
    workers, folder = quiet
    copy = ["--database-url", url, "--data-dir", str(tmp_path)]
    done = CliRunner().invoke(cli, [*copy, "serve", "--listen", workers.listen])
    assert done.exit_code == 1
    assert f"Error: Cannot listen on {workers.listen}: " in done.stderr

    copy = ["--database-url", url, "--data-dir", str(folder)]
    done = CliRunner().invoke(cli, [*copy, "serve", "--listen", "127.0.0.1:0"])
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: Another copy has its workers' sockets in {folder}:"
        " stop it, or set DATA_DIR to another folder.\n"
    )
    single = ["--database-url", url, "serve", "--workers", "1", "--listen", workers.listen]
    done = CliRunner().invoke(cli, single)
    assert (done.exit_code, "Error: Cannot listen on" in done.stderr) == (1, True)


def test_the_socket_of_a_single_process_is_not_theirs(quiet: tuple[Workers, Path]) -> None:
    workers, folder = quiet
    assert {f"unix:{path}" for path in folder.glob("*.sock")} == set(workers.addresses)


def test_workers_have_ports_of_their_own_where_they_are_asked_for(ports: Ports) -> None:
    own = [f"127.0.0.1:{ports.own}", f"127.0.0.1:{ports.own + 1}"]
    assert sorted(ports.workers.listening()) == own


def test_workers_speak_tls_at_every_port_of_theirs(url: str, tmp_path: Path) -> None:
    files = Files(tmp_path / "tls")
    ca, certificate, key = (Path(files.path(each)) for each in ("ca", "client-cert", "client-key"))
    tls = Tls(ca, certificate, key)
    variables = {**files.server(), "WORKER_LISTEN": f"127.0.0.1:{find_free_port(2)}"}
    with working(url, tmp_path, **variables) as workers:
        for target in (",".join(workers.addresses), workers.listen):
            channel = Channel(target, tls=tls)
            wait_until_live(channel, target.count(",") + 1)
            channel.close()
            plain = Channel(target, connect_seconds=2)
            with pytest.raises(RpcError) as raised:
                call_once(plain)
            assert raised.value.code is Code.UNAVAILABLE
            plain.close()


def test_workers_of_a_machine_speak_plaintext_at_their_sockets(url: str, tmp_path: Path) -> None:
    files = Files(tmp_path / "tls")
    with working(url, tmp_path, **files.server()) as workers:
        for tls in (None, Tls(Path(files.path("ca")))):
            channel = Channel(",".join(workers.addresses), tls=tls)
            wait_until_live(channel, 2)
            channel.close()


def test_workers_do_not_start_with_plaintext_to_other_machines(url: str, tmp_path: Path) -> None:
    copy = ["--database-url", url, "--data-dir", str(tmp_path), "serve", "--workers", "2"]
    more = ["--public-url", "https://optics.example", "--worker-listen", "0.0.0.0:50061"]
    done = CliRunner().invoke(cli, [*copy, *more, "--listen", "127.0.0.1:0"])
    assert done.exit_code == 1
    said = "Error: Other machines reach 0.0.0.0:50061, 0.0.0.0:50062, and gRPC there would be"
    assert done.stderr.startswith(said)


def test_only_the_first_dispatches(ports: Ports, quiet: tuple[Workers, Path]) -> None:
    for workers, expected in ((ports.workers, [True, False]), (quiet[0], [False, False])):
        words = [Path(f"/proc/{workers.pids()[n]}/cmdline").read_text() for n in (1, 2)]
        assert ["--dispatcher" in text.split("\0") for text in words] == expected


def test_workers_end_with_a_parent_that_is_killed(url: str, tmp_path: Path) -> None:
    with working(url, tmp_path) as workers:
        workers.process.kill()
        workers.wait_for(lambda: workers.events().count("stopped") == 2)


def test_on_sqlite_a_service_is_one_process(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["--data-dir", str(tmp_path), "serve", "--workers", "2"])
    said = "Error: WORKERS=2 needs PostgreSQL: on SQLite a service is one process.\n"
    assert (done.exit_code, done.stderr) == (1, said)
    assert not list(tmp_path.iterdir())


def test_an_older_store_stops_all_of_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orders_svc", "serve", "--listen", "127.0.0.1:0", "--workers", "2"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATA_DIR": str(tmp_path),
            "DATABASE_URL": os.environ["TEST_POSTGRES_URL"],
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 1
    assert "run `python -m orders_svc migrate`." in done.stderr
    assert "cannot run like this: stopping everything." in done.stdout
    assert "starting it again" not in done.stdout

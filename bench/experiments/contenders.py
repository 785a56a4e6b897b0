"""The contenders: Optigate, its peers and the floors, each on fresh stores."""

import re
import shlex
import shutil
import sys
import tomllib
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from sqlalchemy import make_url

from bench.experiments.launcher import (
    ROOT,
    Contender,
    Process,
    find_free_address,
    format_address,
)
from bench.load.sockets import Address
from bench.scenarios.subscriptions import PATH as SUBSCRIPTIONS
from bench.scenarios.subscriptions import create_delivered_subscription
from chassis.settings.workers import UNIX, can_reach
from chassis.store.database import Database
from chassis.store.migrations import migrate
from demo.procfile import read_procfile
from tests import postgres

SERVICES = ("sessions", "orders", "subscriptions")
PROCFILE = ROOT / "Procfile"
GATEWAY = "gateway"
ENGINES = ("sqlite", "postgresql")
OPTIGATE = "optigate"
# A path of each API that the gateway can answer only with its service; of any status below 500.
ONE_SERVICE_READY = {
    "sessions": "/api/v2/partners/sessions/none",
    "orders": "/v1/labs",
    "subscriptions": f"{SUBSCRIPTIONS}/none",
}
# gunicorn's threaded worker, as the gateway had it at first: what the peers run under.
GTHREAD = "--worker-class gthread --workers 2 --threads 4 --no-control-socket"


@dataclass(frozen=True)
class Stores:
    """Makes stores: files in a folder, or databases of a durable PostgreSQL."""

    engine: str
    folder: Path
    server: str = ""  # URL
    postmaster: int = 0
    filled: dict[str, tuple[str, str]] = field(default_factory=dict)  # by what it is filled with
    databases: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> str:
        """Make an empty store; return its URL."""
        unique = f"{name}_{uuid.uuid4().hex[:8]}"
        if self.engine == "sqlite":
            return f"sqlite:///{self.folder / unique}.db"
        self.databases.append(unique)
        return postgres.create_database(self.server, unique)

    def copy_filled(self, name: str, fill: Callable[[str], str]) -> tuple[str, str]:
        """Make a copy of a store that `fill` has filled; return its URL and what `fill` returned.

        It is filled once for each name, and must not be in use afterwards.
        """
        if name not in self.filled:
            url = self(name)
            self.filled[name] = url, fill(url)
        template, printed = self.filled[name]
        copy = f"{name}_{uuid.uuid4().hex[:8]}"
        if self.engine == "sqlite":
            shutil.copy(str(make_url(template).database), self.folder / f"{copy}.db")
            return f"sqlite:///{self.folder / copy}.db", printed
        original = str(make_url(template).database)
        self.databases.append(copy)
        return postgres.create_database(self.server, copy, template=original), printed

    def drop_databases(self) -> None:
        """Drop the databases that were made, where the server outlives them."""
        for name in self.databases:
            postgres.drop_database(self.server, name)

    def service_store(self, service: str) -> str:
        """Make a store of a service with its demo data; return its URL."""

        def fill(url: str) -> str:
            prepare_store(service, url)
            return ""

        url, _ = self.copy_filled(service, fill)
        if self.engine != "sqlite":  # a copy lacks the role settings of `migrate`
            migrate_store(service, url)
        return url

    def peer_store(self) -> tuple[str, str]:
        """Make a peer's store; return its URL and the id of a subscription in it."""
        return self.copy_filled("peer", prepare_peer)

    @property
    def processes(self) -> dict[str, int]:
        """The processes that work for every contender on this engine."""
        return {"postgres": self.postmaster} if self.postmaster else {}


@contextmanager
def open_stores(engine: str, folder: Path) -> Iterator[Stores]:
    """Yield stores on an engine; a PostgreSQL server is started for them, and stopped."""
    if engine == "sqlite":
        yield Stores(engine, folder)
        return
    server, stop = postgres.start(durable=True)
    try:
        data = Path(str(make_url(server).query["host"])) / "data"
        pid = int((data / "postmaster.pid").read_text().split()[0])
        yield Stores(engine, folder, server, pid)
    finally:
        stop()


def migrate_store(service: str, url: str) -> None:
    """Migrate the store of a service."""
    database = Database(url)
    migrate(database, import_module(f"{service}_svc.definition").SERVICE.migrations)
    database.close()


def prepare_store(service: str, url: str) -> None:
    """Migrate the store of a service and load its demo data.

    No lab holds orders back: the peers have no window in which a client may change them. All is
    done in this process: an interpreter for each step would take longer than the step.
    """
    definition = import_module(f"{service}_svc.definition").SERVICE
    text = (ROOT / f"demo/{service}.toml").read_text()
    text = re.sub(r"^hold_minutes = .*\n", "", text, flags=re.MULTILINE)
    migrate_store(service, url)
    database = Database(url)
    with database.write() as tx:
        definition.load(tx, definition.reference.load(tomllib.loads(text)))
    database.close()


def optigate(
    make_store: Stores,
    services: Collection[str] = SERVICES,
    *,
    has_gateway: bool = True,
    has_sockets: bool = True,
) -> Contender:
    """Return Optigate as `make run` starts it, or some of its services with or without gateway.

    The gateway calls the services over Unix sockets, unless `has_sockets` is off or their paths are
    too long.
    """
    listen = {name: find_free_address() for name in services}
    http = find_free_address()
    urls = {name: make_store.service_store(name) for name in services}
    env = {
        "GATEWAY_BIND": format_address(http),
        "GATEWAY_PUBLIC_URL": f"http://{format_address(http)}",
    }
    for name in services:
        address = format_address(listen[name])
        env[f"{name.upper()}_LISTEN"] = env[f"GATEWAY_{name.upper()}_ADDR"] = address
        socket = f"{UNIX}{make_store.folder.absolute()}/{name}-{uuid.uuid4().hex[:8]}.sock"
        if has_sockets and can_reach(socket):
            env[f"{name.upper()}_LISTEN_SOCKET"] = socket.removeprefix(UNIX)
            env[f"GATEWAY_{name.upper()}_ADDR"] = socket
        env[f"{name.upper()}_DATABASE_URL"] = urls[name]
    names = [*services, GATEWAY] if has_gateway else [*services]
    processes = tuple(
        run_in_shell(name, command, env)
        for name, command in read_procfile(PROCFILE).items()
        if name in names
    )
    ready = ONE_SERVICE_READY[next(iter(services))] if len(services) == 1 else "/readyz"
    return Contender(
        OPTIGATE, make_store.engine, processes, http if has_gateway else None, ready, listen, urls
    )


def run_in_shell(name: str, command: str, env: Mapping[str, str]) -> Process:
    """Return a process that a shell command becomes."""
    return Process(name, ("sh", "-c", command), env)


def orders_replicas(make_store: Stores, count: int) -> tuple[Contender, list[Address]]:
    """Return processes of the orders service on one PostgreSQL store, and where they listen."""
    url, command = make_store.service_store("orders"), read_procfile(PROCFILE)["orders"]
    listen = {f"orders {number + 1}": find_free_address() for number in range(count)}
    processes = tuple(
        run_in_shell(
            name,
            command,
            {"ORDERS_LISTEN": format_address(address), "ORDERS_DATABASE_URL": url},
        )
        for name, address in listen.items()
    )
    contender = Contender(f"{count} x orders", make_store.engine, processes, grpc=listen)
    return contender, list(listen.values())


def prepare_peer(url: str) -> str:
    """Fill an empty store of a peer; return the id of its subscription."""
    from bench.peers.prepare import prepare

    return prepare(url)


def monolith(name: str, argv: Callable[[str, str], list[str]], make_store: Stores) -> Contender:
    """Return a peer of one application; `argv` makes its command of host and port."""
    (url, subscription), http = make_store.peer_store(), find_free_address()
    process = Process(name, tuple(argv(http[0], str(http[1]))), {"DATABASE_URL": url})
    path = f"{SUBSCRIPTIONS}/{subscription}"
    return Contender(name, make_store.engine, (process,), http, path, {}, {"": url}, subscription)


def fastapi(make_store: Stores, workers: int = 2) -> Contender:
    """Return the FastAPI peer on uvicorn."""

    def build_argv(host: str, port: str) -> list[str]:
        app = "bench.peers.fastapi_app:app"
        quiet = ["--no-access-log", "--log-level", "warning"]
        command = ["uvicorn", app, "--workers", str(workers), "--host", host, "--port", port]
        return [sys.executable, "-m", *command, *quiet, "--loop", "uvloop", "--http", "httptools"]

    return monolith("fastapi" if workers > 1 else "fastapi-1", build_argv, make_store)


def fastapi_one_worker(make_store: Stores) -> Contender:
    """Return the FastAPI peer with one worker: on SQLite, writers of two wait for each other."""
    return fastapi(make_store, workers=1)


def smorest(make_store: Stores) -> Contender:
    """Return the flask-smorest peer under gunicorn's threads."""

    def build_argv(host: str, port: str) -> list[str]:
        return [
            "sh",
            "-c",
            build_gthread_command("bench.peers.smorest_app:create_app()", (host, int(port))),
        ]

    return monolith("smorest", build_argv, make_store)


def by_the_book(make_store: Stores) -> Contender:
    """Return the peer of Optigate's shape: a gateway, an orders and a subscriptions service."""
    http, listen, urls = find_free_address(), {}, {}
    processes, subscription = [], ""
    for service in ("orders", "subscriptions"):
        url, subscription = make_store.peer_store()
        urls[service] = url
        listen[service] = find_free_address()
        argv = (sys.executable, "-m", "bench.peers.by_the_book", service)
        env = {"DATABASE_URL": url, "LISTEN": format_address(listen[service])}
        processes.append(Process(service, argv, env))
    command = build_gthread_command("bench.peers.by_the_book.gateway:create_app()", http)
    env = {f"{name.upper()}_ADDR": format_address(address) for name, address in listen.items()}
    processes.append(run_in_shell(GATEWAY, command, env))
    path = f"{SUBSCRIPTIONS}/{subscription}"
    return Contender(
        "by_the_book", make_store.engine, tuple(processes), http, path, {}, urls, subscription
    )


PRODUCTS: dict[str, Callable[[Stores], Contender]] = {
    OPTIGATE: optigate,
    "fastapi": fastapi,
    "fastapi-1": fastapi_one_worker,
    "smorest": smorest,
    "by_the_book": by_the_book,
}


def build_gthread_command(app: str, bind: Address) -> str:
    """Return the command that serves an application with gunicorn's threads."""
    return f"exec python -m gunicorn --bind {format_address(bind)} {GTHREAD} '{app}'"


def build_gateway_command(app: str, bind: Address) -> str:
    """Return the gateway's command line for another application."""
    words = shlex.split(read_procfile(PROCFILE)[GATEWAY])
    words = ["exec", *words[words.index("python") :]]  # without the variables before it
    words[-1], words[words.index("--bind") + 1] = app, format_address(bind)
    return shlex.join(words)


def null_route() -> Contender:
    """Return a null route under the gateway's command line."""
    http = find_free_address()
    command = build_gateway_command("bench.experiments.floors:create_app()", http)
    return Contender("null route", "", (run_in_shell("null route", command, {}),), http, "/null")


def null_hop(rpc: Address) -> Contender:
    """Return a route that calls the null RPC at `rpc` with the grpc package, under threads."""
    http = find_free_address()
    command = build_gthread_command("bench.experiments.floors:create_app()", http)
    process = run_in_shell("null hop", command, {"BENCH_RPC": format_address(rpc)})
    return Contender("null hop", "", (process,), http, "/hop")


def bare_stack(rpc: Address) -> Contender:
    """Return routes that call the RPCs at `rpc` over our channel, under the gateway's command."""
    http = find_free_address()
    command = build_gateway_command("bench.experiments.floors:create_app()", http)
    process = run_in_shell("stack", command, {"BENCH_RPC": format_address(rpc)})
    return Contender("stack", "", (process,), http, "/stack/null")


def null_rpc(engine: str, store: str) -> Contender:
    """Return a null RPC, and those that read and insert a row, on the server of the services."""
    address = find_free_address()
    module = "bench.experiments.floors"
    argv = (sys.executable, "-m", module, "rpc", format_address(address), engine, store)
    return Contender("null rpc", engine, (Process("null rpc", argv),), grpc={"null": address})


def find_subscription(contender: Contender) -> str:
    """Return the id of a subscription to read from a running contender."""
    return contender.subscription or create_delivered_subscription(contender.grpc["subscriptions"])

"""What can be measured: processes with their stores, started on free loopback ports and ended."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from honcho.environ import parse_procfile
from sqlalchemy import make_url

from bench.load.generator import Address
from bench.scenarios.bodies import basic
from bench.scenarios.works import ask, subscription_with_boxes
from demo.__main__ import prepare
from tests import postgres

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SERVICES = ("sessions", "orders", "subscriptions")
STARTING, STOPPING = 60, 10  # seconds
# So often in a row must all of it be ready: each worker of a gateway finds its services by itself,
# and tries again a second after it has found none.
SURE = 12
ENGINES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Process:
    """One command, with what it needs in its environment beyond ours."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """Processes that do the job together."""

    name: str
    engine: str
    processes: tuple[Process, ...]
    http: Address | None = None
    ready: str = ""  # the path that answers 200 when all of it serves
    grpc: Mapping[str, Address] = field(default_factory=dict)  # by service
    urls: Mapping[str, str] = field(default_factory=dict)  # databases by service
    subscription: str = ""  # to read; Optigate's is made when it runs


@dataclass(frozen=True)
class Stores:
    """Makes empty stores: files in a folder, or databases of a durable PostgreSQL."""

    engine: str
    folder: Path
    server: str = ""  # URL
    postmaster: int = 0

    def __call__(self, name: str) -> str:
        unique = f"{name}_{uuid.uuid4().hex[:8]}"
        if self.engine == "sqlite":
            return f"sqlite:///{self.folder / unique}.db"
        return postgres.create_database(self.server, unique)

    @property
    def processes(self) -> dict[str, int]:
        """What works for every contender on this engine."""
        return {"postgres": self.postmaster} if self.postmaster else {}


@contextmanager
def stores(engine: str, folder: Path) -> Iterator[Stores]:
    """Stores on an engine; PostgreSQL is started for them, and stopped."""
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


def free_address() -> Address:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1", probe.getsockname()[1]


def text(address: Address) -> str:
    """host:port."""
    return f"{address[0]}:{address[1]}"


def procfile() -> dict[str, str]:
    """The commands that `make run` starts."""
    commands = parse_procfile((ROOT / "Procfile").read_text()).processes
    return dict(commands)


def _shell(name: str, command: str, env: Mapping[str, str]) -> Process:
    return Process(name, ("sh", "-c", command), env)


def optigate(make_store: Stores) -> Contender:
    """Optigate as `make run` starts it."""
    listen = {name: free_address() for name in SERVICES}
    http = free_address()
    urls = {name: make_store(name) for name in SERVICES}
    env = {"GATEWAY_BIND": text(http), "GATEWAY_PUBLIC_URL": f"http://{text(http)}"}
    for name in SERVICES:
        prepare(name, urls[name])
        env[f"{name.upper()}_LISTEN"] = env[f"GATEWAY_{name.upper()}_ADDR"] = text(listen[name])
        env[f"{name.upper()}_DATABASE_URL"] = urls[name]
    processes = tuple(_shell(name, command, env) for name, command in procfile().items())
    return Contender("optigate", make_store.engine, processes, http, "/readyz", listen, urls)


def peer(name: str, argv: Callable[[str, str], list[str]], make_store: Stores) -> Contender:
    """A peer on a prepared store; `argv` makes its command of host and port."""
    url, http = make_store(name), free_address()
    env = {"DATABASE_URL": url}
    made = subprocess.run(
        [sys.executable, "-m", "bench.peers.prepare"],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise RuntimeError(f"bench.peers.prepare failed:\n{made.stderr}")
    process = Process(name, tuple(argv(http[0], str(http[1]))), env)
    subscription = json.loads(made.stdout)["subscription_id"]
    path = f"/api/public/v1/subscriptions/{subscription}"
    return Contender(
        name, make_store.engine, (process,), http, path, {}, {"": url}, str(subscription)
    )


def fastapi(make_store: Stores) -> Contender:
    """The FastAPI peer on uvicorn, two workers."""

    def argv(host: str, port: str) -> list[str]:
        app = "bench.peers.fastapi_app:app"
        quiet = ["--no-access-log", "--log-level", "warning"]
        command = ["uvicorn", app, "--workers", "2", "--host", host, "--port", port, *quiet]
        return [sys.executable, "-m", *command, "--loop", "uvloop", "--http", "httptools"]

    return peer("fastapi", argv, make_store)


def smorest(make_store: Stores) -> Contender:
    """The flask-smorest peer, under the gateway's gunicorn command line."""

    def argv(host: str, port: str) -> list[str]:
        return ["sh", "-c", gunicorn("bench.peers.smorest_app:create_app()", f"{host}:{port}")]

    return peer("smorest", argv, make_store)


def gunicorn(app: str, bind: str) -> str:
    """The gateway's command line for another application."""
    words = shlex.split(procfile()["gateway"])
    words[-1], words[words.index("--bind") + 1] = app, bind
    return shlex.join(words)


def null_flask(rpc: Address) -> Contender:
    """Null routes under the gateway's gunicorn; /hop calls the null RPC at `rpc`."""
    http = free_address()
    command = gunicorn("bench.experiments.floors:create_app()", text(http))
    process = _shell("null flask", command, {"BENCH_RPC": text(rpc)})
    return Contender("null flask", "", (process,), http, "/null")


def null_rpc(engine: str) -> Contender:
    """A null RPC on the server of the services."""
    address = free_address()
    argv = (sys.executable, "-m", "bench.experiments.floors", "rpc", text(address), engine)
    return Contender("null rpc", engine, (Process("null rpc", argv),), grpc={"null": address})


@contextmanager
def running(contender: Contender, logs: Path) -> Iterator[dict[str, int]]:
    """Start it, wait until it serves, give the processes' ids by name; end it at last."""
    with ExitStack() as stack:
        started: dict[str, subprocess.Popen[bytes]] = {}
        for process in contender.processes:
            log = logs / f"{contender.name}-{process.name}.log".replace(" ", "-")
            started[process.name] = stack.enter_context(_started(process, log))
        _wait(contender, started, logs)
        yield {name: process.pid for name, process in started.items()}


@contextmanager
def _started(process: Process, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **process.env}
    with log.open("ab") as output:
        made = subprocess.Popen(
            process.argv,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield made
    finally:
        end(made)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its whole session, by force if need be."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOPPING)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue


def _wait(contender: Contender, started: Mapping[str, subprocess.Popen[bytes]], logs: Path) -> None:
    end_at = time.monotonic() + STARTING
    ready = 0
    while ready < SURE:
        ready = ready + 1 if _serves(contender) else 0
        ended = [name for name, process in started.items() if process.poll() is not None]
        if ended or time.monotonic() > end_at:
            told = "".join(
                f"{path.name}:\n{path.read_text(errors='replace')[-3000:]}\n"
                for path in sorted(logs.glob(f"{contender.name.replace(' ', '-')}-*.log"))
            )
            why = f"ended: {', '.join(ended)}" if ended else f"not ready after {STARTING} s"
            raise RuntimeError(f"{contender.name} on {contender.engine}: {why}\n{told}")
        time.sleep(0.1)


def _serves(contender: Contender) -> bool:
    try:
        if contender.http is None:
            for address in contender.grpc.values():
                socket.create_connection(address, timeout=1).close()
            return True
        status, _ = ask(
            contender.http, "GET", contender.ready, {"Authorization": basic("demo-merchant")}
        )
    except OSError:
        return False
    return status == 200


def subscription_of(contender: Contender) -> str:
    """The subscription to read from a running contender."""
    return contender.subscription or subscription_with_boxes(contender.grpc["subscriptions"])

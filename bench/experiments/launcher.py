"""Starts the processes of a contender on loopback, waits until they serve, and ends them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.load.sockets import Address
from bench.scenarios.bodies import DEMO_CALLERS
from bench.scenarios.client import send_request
from tests.ports import HOST, find_free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
START_SECONDS, STOP_SECONDS = 60, 10
# All of it must be ready so often in a row: each worker of a gateway finds its services by itself,
# and tries again a second after it has found none. Without HTTP one answer is enough.
READY_CHECKS, READY_PAUSE_SECONDS = 12, 0.03
LOG_TAIL_CHARACTERS = 3000


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
    ready_path: str = ""  # answers with a status below 500 once all of it serves
    grpc: Mapping[str, Address] = field(default_factory=dict)  # by service
    urls: Mapping[str, str] = field(default_factory=dict)  # of databases, by service
    subscription: str = ""  # the id of one to read; Optigate's is created when it runs

    @property
    def http_address(self) -> Address:
        """Where its HTTP is served; it must serve some."""
        assert self.http is not None
        return self.http


def find_free_address() -> Address:
    """Return a loopback port that nobody listens on."""
    return HOST, find_free_port()


def format_address(address: Address) -> str:
    """Return host:port."""
    return f"{address[0]}:{address[1]}"


@contextmanager
def run_contender(contender: Contender, logs: Path) -> Iterator[dict[str, int]]:
    """Start a contender, yield the ids of its processes by name once it serves, and end it."""
    with run_contenders([contender], logs) as (roots,):
        yield roots


@contextmanager
def run_contenders(contenders: Sequence[Contender], logs: Path) -> Iterator[list[dict[str, int]]]:
    """Start contenders at once, yield what each runs once all serve, and end them at once."""
    started: list[dict[str, subprocess.Popen[bytes]]] = [{} for _ in contenders]
    try:
        for contender, processes in zip(contenders, started, strict=True):
            for process in contender.processes:
                log = logs / f"{contender.name}-{process.name}.log".replace(" ", "-")
                processes[process.name] = _start_process(process, log)
        for contender, processes in zip(contenders, started, strict=True):
            _wait_until_ready(contender, processes, logs)
        yield [{name: each.pid for name, each in processes.items()} for processes in started]
    finally:
        end_processes([each for processes in started for each in processes.values()])


def _start_process(process: Process, log: Path) -> subprocess.Popen[bytes]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **process.env}
    with log.open("ab") as output:
        return subprocess.Popen(
            process.argv,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end_processes(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes and their whole sessions at once, by force if need be."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0))


def run_command(argv: list[str], env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; raise RuntimeError if it fails."""
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _wait_until_ready(
    contender: Contender, started: Mapping[str, subprocess.Popen[bytes]], logs: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    ready, checks = 0, READY_CHECKS if contender.http else 1
    while ready < checks:
        ready = ready + 1 if _is_ready(contender) else 0
        ended = [name for name, process in started.items() if process.poll() is not None]
        if ended or time.monotonic() > deadline:
            tails = "".join(
                f"{path.name}:\n{path.read_text(errors='replace')[-LOG_TAIL_CHARACTERS:]}\n"
                for path in sorted(logs.glob(f"{contender.name.replace(' ', '-')}-*.log"))
            )
            why = f"ended: {', '.join(ended)}" if ended else f"not ready after {START_SECONDS} s"
            raise RuntimeError(f"{contender.name} on {contender.engine}: {why}\n{tails}")
        time.sleep(READY_PAUSE_SECONDS)


def _is_ready(contender: Contender) -> bool:
    try:
        for address in contender.grpc.values():
            socket.create_connection(address, timeout=1).close()
        if contender.http is None:
            return True
        headers = {"Authorization": DEMO_CALLERS["subscriptions"].basic}
        status, _ = send_request(contender.http, "GET", contender.ready_path, headers)
    except OSError:
        return False
    return status < 500

"""The whole product as processes with a data folder and addresses of its own, and its callers."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import find_free_address
from tests.serving import build_basic

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 240.0  # what a test waits for something that must come
PAUSE_SECONDS = 0.05
LOAD_PAUSE_SECONDS = 0.1  # between the requests of a caller
WRITES = {
    "sessions": ("/api/v2/partners/sessions", "session", "session_key"),
    "orders": ("/v1/orders", "order", ""),
    "subscriptions": ("/api/public/v1/subscriptions", "subscription", "reference"),
}


def wait_for(ready: Callable[[], Any], what: str) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := ready()):
        assert time.monotonic() < end, what
        time.sleep(PAUSE_SECONDS)
    return found


def has_ended(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    with contextlib.suppress(FileNotFoundError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@dataclass
class Answer:
    """An HTTP response, read."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float = 0

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Caller:
    """A client that keeps its connection.

    It repeats a request only if its idle connection was closed before a byte of the answer.
    """

    def __init__(self, address: str, timeout: float = PATIENCE_SECONDS) -> None:
        self.address, self.timeout = address, timeout
        self.connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The answer to a request; `_` in the name of a header is `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        packed = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        begun, was_kept = time.monotonic(), self.connection is not None
        try:
            found = self._ask(method, path, packed, named)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.close()
            if not was_kept:
                raise
            found = self._ask(method, path, packed, named)
        except BaseException:
            self.close()
            raise
        found.seconds = time.monotonic() - begun
        return found

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if self.connection is None:
            host, _, port = self.address.rpartition(":")
            self.connection = http.client.HTTPConnection(host, int(port), timeout=self.timeout)
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        found = Answer(
            answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        )
        if found.headers.get("connection") == "close":
            self.close()
        return found

    def close(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@dataclass
class Product:
    """A `make run`, and what it has printed."""

    folder: Path
    addresses: dict[str, str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)
    token: str = ""
    number: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)
    ending: threading.Event = field(default_factory=threading.Event)  # ends its callers, too

    @classmethod
    def prepare(
        cls, folder: Path, templates: Callable[[str, str], str], **environment: str
    ) -> "Product":
        """Choose free ports, and copy the stores into the folder."""
        for service in WRITES:
            shutil.copy(templates(service, "sqlite"), folder / f"{service}.db")
        listen = ("GATEWAY_BIND", "SESSIONS_LISTEN", "ORDERS_LISTEN", "SUBSCRIPTIONS_LISTEN")
        addresses = {name: find_free_address() for name in listen}
        own = {**os.environ, "DATA_DIR": str(folder), **addresses, **environment}
        return cls(folder, addresses, own)

    @property
    def front(self) -> str:
        """The address of the gateway."""
        return self.addresses["GATEWAY_BIND"]

    def lines(self) -> str:
        """Everything it has printed."""
        return (self.folder / "terminal").read_text(errors="replace")

    def log(self, name: str) -> str:
        """Every log line of a process."""
        return "".join(path.read_text() for path in (self.folder / "logs").glob(f"{name}*.jsonl"))

    def pid(self, name: str) -> int:
        """The process of a name that was started last."""
        return int(re.findall(rf"^{name} started \(pid=(\d+)\)", self.lines(), re.MULTILINE)[-1])

    def pids(self) -> list[int]:
        """Every process that runs now, the supervisor's own and the gateway's workers included."""
        found = [self.process.pid]
        for pid in found:
            found += children(pid)
        return found

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The answer to a request on a connection of its own."""
        caller = Caller(self.front)
        try:
            return caller.ask(method, path, body, **headers)
        finally:
            caller.close()

    def readiness(self) -> tuple[int, Any]:
        """Status and body of /readyz."""
        found = self.ask("GET", "/readyz")
        return found.status, found.json()

    def log_in(self) -> None:
        """Get the token of the orders API."""
        found = self.ask(
            "POST",
            "/v1/oauth/token",
            {"client_id": "demo-client", "client_secret": "demo-client-secret"},
        )
        self.token = found.json()["token"]

    def write(self, service: str, caller: Caller | None = None, **more: str) -> Answer:
        """The answer to a create at an API, with a key of its own."""
        path, name, key = WRITES[service]
        body = json.loads((ROOT / f"demo/{name}.json").read_text())
        if key:
            with self.counting:
                self.number += 1
                body[key] = f"chaos-{self.number}"
        own = caller or Caller(self.front)
        try:
            return own.ask("POST", path, body, **self.credentials(service), **more)
        finally:
            if caller is None:
                own.close()

    def credentials(self, service: str) -> dict[str, str]:
        """The headers of a caller of an API."""
        if service == "orders":
            return {"authorization": f"Bearer {self.token}", "user_email": "optician@example.com"}
        name = {"sessions": "demo-partner", "subscriptions": "demo-merchant"}[service]
        return {"authorization": build_basic(name)}


@contextmanager
def run_product(
    folder: Path, templates: Callable[[str, str], str], **environment: str
) -> Iterator[Product]:
    """Start everything on free ports and copies of the stores, and end it with the block."""
    with keep_running(Product.prepare(folder, templates, **environment)) as product:
        yield product


@contextmanager
def keep_running(product: Product) -> Iterator[Product]:
    """Start a product on the stores that it has, and end it with the block."""
    with (product.folder / "terminal").open("wb") as terminal:
        product.process = subprocess.Popen(
            [sys.executable, "-m", "demo"],
            cwd=ROOT,
            env=product.environment,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
    try:
        wait_for(
            lambda: "Optigate is up" in product.lines() or product.process.poll(),
            "it does not start",
        )
        assert product.process.poll() is None, product.lines()
        product.log_in()
        yield product
    finally:
        stop(product)


def stop(product: Product) -> None:
    """End everything, what was stopped by SIGSTOP and callers of a failed test included."""
    product.ending.set()
    for pid in product.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    product.process.terminate()
    try:
        product.process.wait(40)
    except subprocess.TimeoutExpired:
        product.process.kill()
        raise


class Load:
    """Callers that write to one API each until they are stopped, and what they were answered.

    Each pauses after an answer: what is tested needs callers, and not all of the machine.
    """

    def __init__(self, product: Product, services: tuple[str, ...], callers: int = 2) -> None:
        self.product = product
        self.answers: dict[str, list[Answer]] = {service: [] for service in services}
        self.failures: list[str] = []
        self._stopped = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(service,))
            for service in services
            for _ in range(callers)
        ]
        for thread in self.threads:
            thread.start()

    def _run(self, service: str) -> None:
        caller = Caller(self.product.front)
        while not (self._stopped.is_set() or self.product.ending.is_set()):
            try:
                found = self.product.write(service, caller)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{service}: {error!r}")
                continue
            self.answers[service].append(found)
            if found.status != 201:
                self.failures.append(f"{service}: {found.status} {found.body[:300]!r}")
            self._stopped.wait(LOAD_PAUSE_SECONDS)
        caller.close()

    def wait_for_more(self, count: int = 10) -> None:
        """Wait until each API has answered that many more times."""
        before = {service: len(answers) for service, answers in self.answers.items()}
        for service, answers in self.answers.items():
            wait_for(
                lambda service=service, answers=answers: len(answers) >= before[service] + count,  # type: ignore[misc]
                f"{service} does not answer",
            )

    def p99(self, service: str, since: int = 0) -> float:
        """The time under which 99 of 100 answers came, in seconds."""
        times = sorted(each.seconds for each in self.answers[service][since:])
        return times[int(len(times) * 0.99)]

    def stop(self) -> None:
        """Let each caller finish its request."""
        self._stopped.set()
        for thread in self.threads:
            thread.join()

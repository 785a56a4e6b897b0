"""The README's own commands, as processes: `make run`, its curls, the snippet, a crash."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from demo.__main__ import write_guide
from tests import postgres
from tests.ports import find_free_address
from tests.serving import SERVICES, build_basic

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
ADDRESSES = {
    "GATEWAY_BIND": "127.0.0.1:8080",
    "SESSIONS_LISTEN": "127.0.0.1:50051",
    "ORDERS_LISTEN": "127.0.0.1:50052",
    "SUBSCRIPTIONS_LISTEN": "127.0.0.1:50053",
}
STARTING = 90  # seconds at most; it takes about five


class Copy:
    """One `make run`, with a data folder and addresses of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.addresses = {name: find_free_address() for name in ADDRESSES}
        self.environment = {**os.environ, **environment, **self.addresses}
        self.environment.pop("DATABASE_URL", None)
        self.process: subprocess.Popen[str]
        self.groups: list[int] = []

    def start(self, words: Sequence[str | Path] = ("make", "run"), folder: Path = ROOT) -> str:
        """Start it, and return its output up to the curls."""
        self.process = subprocess.Popen(
            words,
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        assert self.process.stdout
        last = self.here(write_guide("http://127.0.0.1:8080")).rstrip().rpartition("\n")[2].strip()
        printed, end = "", time.monotonic() + STARTING
        for line in self.process.stdout:
            printed += line
            if line.strip() == last or time.monotonic() > end:
                break
        assert "Optigate is up" in printed, printed
        pids = [int(pid) for pid in re.findall(r"started \(pid=(\d+)\)", printed)]
        assert len(pids) == len(ADDRESSES)
        self.groups = [os.getpgid(pid) for pid in pids]
        return printed

    def kill(self) -> None:
        """Kill every process at once, as a power cut would."""
        for group in [*self.groups, self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.process.communicate()

    def stop(self) -> None:
        """Press Ctrl-C; every process must end by itself and leave nothing behind."""
        os.killpg(self.process.pid, signal.SIGINT)
        rest, _ = self.process.communicate(timeout=40)
        assert rest.count("stopped (rc=0)") == len(ADDRESSES), rest
        assert self.process.returncode in (0, -signal.SIGINT)  # the latter is make's own

    def here(self, text: str) -> str:
        """Return a text of the README with this copy's addresses."""
        for name, address in ADDRESSES.items():
            text = text.replace(address, self.addresses[name])
        return text

    def shell(self, script: str) -> str:
        """Run a script as a reader would, and return its output."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
        """POST JSON, and return status, headers and parsed body."""
        request = urllib.request.Request(
            f"http://{self.addresses['GATEWAY_BIND']}{path}",
            json.dumps(body).encode(),
            {name.replace("_", "-"): value for name, value in headers.items()},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), json.load(answer)

    def get(self, path: str, **headers: str) -> Any:
        """GET JSON, and return the parsed body."""
        request = urllib.request.Request(
            f"http://{self.addresses['GATEWAY_BIND']}{path}",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def copy(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Copy]]:
    """Makes copies on the engine under test, and ends them all."""
    server = os.environ["TEST_POSTGRES_URL"]
    databases: list[str] = []
    copies: list[Copy] = []

    def make() -> Copy:
        environment = {"DATA_DIR": str(tmp_path_factory.mktemp("data"))}
        if engine == "postgresql":
            for service in SERVICES:
                databases.append(f"run_{service}_{uuid.uuid4().hex[:8]}")
                url = postgres.create_database(server, databases[-1])
                environment[f"{service.upper()}_DATABASE_URL"] = url
        copies.append(Copy(environment))
        return copies[-1]

    yield make
    for each in copies:
        if each.groups and each.process.poll() is None:
            each.kill()
    for name in databases:
        postgres.drop_database(server, name)


@pytest.fixture(scope="module")
def running(copy: Callable[[], Copy]) -> tuple[Copy, str]:
    """A copy that runs, and what it printed."""
    made = copy()
    return made, made.start()


@pytest.fixture(scope="module")
def spare(copy: Callable[[], Copy]) -> Copy:
    """A further copy, which a test may kill or stop."""
    return copy()


@pytest.fixture
def second(spare: Copy) -> Copy:
    """The further copy, running."""
    if not spare.groups or spare.process.poll() is not None:
        spare.start()
    return spare


def find_blocks(language: str, holding: str) -> list[str]:
    """The README's code blocks in a language that hold a text."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return [block for block in found if holding in block]


def split_guide(printed: str) -> list[str]:
    """The scripts that `make run` has printed."""
    welcome = printed[printed.index("A vision-test session:") :]
    return re.split(r"^(?:An? [\w -]+:)$", welcome, flags=re.MULTILINE)[1:]


def test_the_printed_curls_work_and_print_links_to_pages(running: tuple[Copy, str]) -> None:
    copy, printed = running
    url = f"http://{copy.addresses['GATEWAY_BIND']}"
    assert f"  documentation   {url}/docs\n  dashboard       {url}/orders\n" in printed
    answers = [copy.shell(script) for script in split_guide(printed)]
    assert len(answers) == 3
    assert all("HTTP/1.1 201 CREATED" in each for each in answers)
    (door,) = re.findall(r"^The door: (\S+)$", answers[0], re.MULTILINE)
    (cart,) = re.findall(r"^The cart page: (\S+)$", answers[2], re.MULTILINE)
    assert door.startswith(f"{url}/login?")
    assert cart.startswith(f"{url}/s/")
    for link in (f"{url}/docs", f"{url}/orders", door, cart):
        request = urllib.request.Request(link, headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=20) as page:
            assert (page.status, page.headers.get_content_type()) == (200, "text/html"), link


def test_the_gateway_calls_the_services_over_sockets(running: tuple[Copy, str]) -> None:
    copy, _ = running
    table = Path("/proc/net/unix").read_text().splitlines()
    for service in SERVICES:
        path = f"{copy.environment['DATA_DIR']}/{service}-1.sock"
        found = [line for line in table if line.endswith(f" {path}")]
        assert len(found) > 1, service  # the one that listens, and connections


def test_the_curls_of_the_readme_work(running: tuple[Copy, str]) -> None:
    copy, _ = running
    scripts = find_blocks("sh", "curl -i")
    assert len(scripts) == 3
    for script in scripts:
        assert "HTTP/1.1 201 CREATED" in copy.shell(copy.here(script))


def test_the_snippet_of_the_readme_works(running: tuple[Copy, str]) -> None:
    copy, _ = running
    (snippet,) = find_blocks("python", "grpc.insecure_channel")
    printed = copy.shell(f"{sys.executable} - <<'END'\n{copy.here(snippet)}\nEND")
    assert printed == "1 of 4\n"


def test_the_buf_curls_of_the_readme_work(running: tuple[Copy, str]) -> None:
    copy, _ = running
    tools = Path(sys.executable).parent
    scripts = find_blocks("sh", "buf curl")
    who, order = (copy.shell(f"PATH={tools}:$PATH\n{copy.here(each)}") for each in scripts)
    assert json.loads(who)["partner"] == "demo-partner"
    assert json.loads(order)["id"].startswith("ord_")


def test_two_copies_run_side_by_side(running: tuple[Copy, str], second: Copy) -> None:
    first, _ = running
    body = json.loads((ROOT / "demo/session.json").read_text()) | {"session_key": "side-by-side"}
    for each in (first, second):
        status, _, _ = each.post(
            "/api/v2/partners/sessions", body, authorization=build_basic("demo-partner")
        )
        assert status == 201


def test_no_acknowledged_write_is_lost_in_a_kill(second: Copy) -> None:
    """Orders of eight callers, and subscriptions with keys that are sent again after the kill."""
    order_body = json.loads((ROOT / "demo/order.json").read_text())
    body = json.loads((ROOT / "demo/subscription.json").read_text())
    _, _, token = second.post(
        "/v1/oauth/token",
        {"client_id": "demo-client", "client_secret": "demo-client-secret"},
    )
    caller = {
        "authorization": f"Bearer {token['token']}",
        "user_email": "optician@example.com",
    }
    ordered: list[str] = []
    enough = threading.Event()

    def order() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # the kill
            while True:
                ordered.append(second.post("/v1/orders", order_body, **caller)[2]["id"])
                if len(ordered) >= 100:
                    enough.set()

    def solicit(number: int) -> tuple[int, dict[str, str], Any]:
        return second.post(
            "/api/public/v1/subscriptions",
            body | {"reference": f"kill-{number}"},
            authorization=build_basic("demo-merchant"),
            idempotency_key=f"key-{number}",
        )

    solicited = [solicit(number)[2] for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(order)
        try:
            assert enough.wait(60)
        finally:
            second.kill()
    second.start()
    assert len(set(ordered)) == len(ordered)
    for order_id in ordered:
        assert second.get(f"/v1/orders/{order_id}", **caller)["id"] == order_id
    for number, before in enumerate(solicited):
        _, headers, again = solicit(number)
        assert again == before
        assert headers["Idempotent-Replayed"] == "true"
    second.stop()
    assert not list(Path(second.environment["DATA_DIR"]).glob("*.sock"))

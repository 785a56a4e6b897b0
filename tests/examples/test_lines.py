"""Every shell block of the documents is run by a test: those that no other file runs, here."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.__main__ import cli as bench
from tests.certificates import HOST, Files
from tests.ports import find_free_address

ROOT = Path(__file__).parent.parent.parent
TOOLS = Path(sys.executable).parent
STARTING_SECONDS = 60
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
# The test file that runs the shell blocks of a document; an exception names its own.
RUN_BY = {
    "CONTRIBUTING.md": "tests/examples/test_lines.py",
    "README.md": "tests/journeys/test_make_run.py",
    "bench/README.md": "tests/examples/test_lines.py",
    "bench/peers/README.md": "tests/examples/test_lines.py",
    "docs/audit.md": "tests/examples/test_commands.py",
    "docs/events.md": "tests/examples/test_commands.py",
    "docs/kubernetes.md": "tests/deploy/test_kubernetes_runs.py",
    "docs/operate.md": "tests/examples/test_commands.py",
    "docs/upgrade.md": "tests/upgrade/test_from_0_1.py",
    "examples/README.md": "tests/examples/test_story.py",
    "protos/README.md": "tests/test_wheels.py",
    "sessions_svc/EXAM.md": "tests/examples/test_commands.py",
    "sessions_svc/README.md": "tests/sessions_svc/test_readme.py",
}
EXCEPTIONS = {
    "make test": "tests/examples/test_lines.py",
    "# each service": "tests/examples/test_lines.py",
    "eval": "tests/optigate/test_docs.py",
    "pg_dump": "tests/chaos/test_restore_drill.py",
    "pip install ./protos .": "tests/optigate/test_docs.py",
    "npx openapi-typescript": "tests/openapi/test_clients.py",
    "python -m examples.chain": "tests/examples/test_chain.py",
}


def list_blocks(document: str) -> list[str]:
    """The shell blocks of a document."""
    return BLOCK.findall((ROOT / document).read_text())


def list_lines(document: str) -> list[str]:
    """The lines of a document's shell blocks, continued ones joined, without comments."""
    text = "".join(list_blocks(document)).replace("\\\n", "")
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def test_every_document_with_commands_has_its_test() -> None:
    listed = subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True)
    documents = {name for name in listed.splitlines() if list_blocks(name)}
    assert documents == RUN_BY.keys()
    assert all((ROOT / file).exists() for file in (*RUN_BY.values(), *EXCEPTIONS.values()))
    first = [block.strip() for name in sorted(documents) for block in list_blocks(name)]
    assert all(any(block.startswith(start) for block in first) for start in EXCEPTIONS)


def make_dry(*words: str) -> str:
    """What `make` would run, without running it."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def list_makes(*documents: str) -> list[str]:
    """The lines that begin with `make`, each once."""
    lines = {line: None for document in documents for line in list_lines(document)}
    return [line for line in lines if line.startswith("make ")]


@pytest.mark.parametrize("line", list_makes("README.md", "CONTRIBUTING.md", "bench/README.md"))
def test_every_target_that_is_named_exists(line: str) -> None:
    assert make_dry(*shlex.split(line)[1:])


def test_make_test_and_ci_run_all_that_the_readme_says() -> None:
    recipe = make_dry("test")
    said = ("ruff format --check", "ruff check", "mypy --strict", "lint-imports", "buf lint")
    assert all(each in recipe for each in (*said, "buf breaking", "-m pytest -n 2"))
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec make test")


@pytest.mark.parametrize(
    "line", [line for line in list_lines("CONTRIBUTING.md") if " -m pytest" in line]
)
def test_the_tests_that_contributing_names_are_found(line: str) -> None:
    words = shlex.split(line.removeprefix(".venv/bin/python"))
    done = subprocess.run(
        [sys.executable, *words, "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def list_bench_calls() -> list[str]:
    """What follows `python -m bench` in its README, each once."""
    text = (ROOT / "bench" / "README.md").read_text()
    quoted = re.findall(r"`python -m bench ?([^`]*)`", text.replace("\\|", "|"))
    lines = [line for line in list_lines("bench/README.md") if "-m bench" in line]
    calls = [*quoted, *(line.partition("-m bench")[2] for line in lines)]
    makes = [line.partition("BENCH=")[2].strip('"') for line in list_makes("bench/README.md")]
    return sorted({each.partition(" 2>")[0].strip() for each in (*calls, *makes)})


@pytest.mark.parametrize("line", list_bench_calls())
def test_every_command_of_the_bench_has_the_options_that_are_named(line: str) -> None:
    kept = [word for word in shlex.split(line) if word != "..."]
    shown = CliRunner().invoke(bench, [*kept, "--help"])
    assert (shown.exit_code, shown.output[:6]) == (0, "Usage:"), shown.output


@contextmanager
def run_line(line: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a line until the end of the block."""
    environment = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    # A worker that is stopped while it starts may miss the signal, and is killed after this.
    environment["GUNICORN_CMD_ARGS"] = "--graceful-timeout 5"
    process = subprocess.Popen(
        ["bash", "-c", f"exec env {line}"],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def wait_for_listener(address: str, process: subprocess.Popen[str]) -> None:
    """Wait until something listens there; fails if the process has ended."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)


def test_the_peers_of_the_bench_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export, *lines = list_lines("bench/peers/README.md")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/peer.db")
    assert export == "export DATABASE_URL=sqlite:////tmp/peer.db"
    with run_line(lines[0], tmp_path) as prepare:
        assert prepare.wait(STARTING_SECONDS) == 0
    for line in lines[1:]:
        address = find_free_address()
        port = address.partition(":")[2]
        here = re.sub(r"(127\.0\.0\.1:|--port )\d+", rf"\g<1>{port}", line)
        with run_line(here, tmp_path) as peer:
            wait_for_listener(address, peer)


def read_states(url: str) -> dict[str, str]:
    """The states of the services behind the gateway, once it answers."""
    end = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=10)
        except urllib.error.HTTPError as error:
            states: dict[str, str] = json.load(error)["services"]
            if states["orders"] == "ok" or time.monotonic() > end:
                return states
        except OSError:
            assert time.monotonic() < end
        time.sleep(0.2)


def test_the_lines_about_tls_start_both_sides(tmp_path: Path) -> None:
    files = Files(tmp_path / "tls")
    for name, identity in (("orders", HOST), ("gateway", "gateway.example")):
        files.issue(name, identity)
        (tmp_path / "tls" / f"{name}-cert.pem").rename(tmp_path / "tls" / f"{name}.pem")
    (block,) = (each for each in list_blocks("docs/operate.md") if "GRPC_TLS_CERT" in each)
    service, gateway = find_free_address(), find_free_address()
    text = block.replace("/tls/", f"{tmp_path}/tls/").replace("\\\n", "")
    text = text.replace("0.0.0.0:50052", service).replace("orders.internal:50052", service)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    subprocess.run(
        [sys.executable, "-m", "orders_svc", "migrate"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )
    with ExitStack() as running:
        for line in lines:
            running.enter_context(run_line(line.replace("127.0.0.1:8080", gateway), tmp_path))
        states = read_states(f"http://{gateway}/readyz")
    assert states == {"sessions": "unreachable", "orders": "ok", "subscriptions": "unreachable"}

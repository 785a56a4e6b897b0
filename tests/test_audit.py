"""`make audit`: its static analysis passes, and its advisory check fails when it cannot check."""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FLAW = {
    "id": "OSV-2026-1",
    "summary": "A flaw",
    "affected": [
        {
            "package": {"name": "flask", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
        }
    ],
}
Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


def list_commands() -> dict[str, list[str]]:
    """The commands of `make audit` by the tool that they run."""
    done = subprocess.run(
        ["make", "--dry-run", "audit"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stdout.replace("\\\n", " ").splitlines()
    tools = (" -m bandit ", " -m pip_audit ")
    words = [shlex.split(line) for line in lines if any(tool in line for tool in tools)]
    return {each[2]: [sys.executable, *each[1:]] for each in words}


def run(command: list[str], *more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*command, *more],
        cwd=ROOT,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@contextmanager
def advisories(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A service of advisories, and the names that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(query["package"]["name"])
            status, body = answer(query)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def look_up(url: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """The advisory check of `make audit`, of another service of advisories."""
    more = ("--vulnerability-service", "osv", "--osv-url", url, "--cache-dir", str(cache))
    return run(list_commands()["pip_audit"], *more, "--timeout", "5")


def test_static_analysis_finds_nothing() -> None:
    done = run(list_commands()["bandit"])
    assert done.returncode == 0, done.stdout


def test_static_analysis_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "weak.py").write_text("import subprocess\nsubprocess.call('ls ' + x, shell=True)\n")
    command = list_commands()["bandit"]
    options = command[: command.index("--configfile") + 2]
    assert run(options, str(tmp_path)).returncode == 1


def test_every_pin_is_looked_up(tmp_path: Path) -> None:
    with advisories(lambda _: (200, b"{}")) as (url, asked):
        done = look_up(url, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"flask", "grpcio", "sqlalchemy"} <= set(asked)
    assert len(asked) > 50


def test_a_known_flaw_fails_it(tmp_path: Path) -> None:
    def answer(query: dict[str, Any]) -> tuple[int, bytes]:
        found = {"vulns": [FLAW]} if query["package"]["name"] == "flask" else {}
        return 200, json.dumps(found).encode()

    with advisories(answer) as (url, _):
        done = look_up(url, tmp_path)
    assert done.returncode == 1
    assert "OSV-2026-1" in done.stdout


@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (429, b"{}"), (404, b"{}"), (200, b"<html>"), (302, b"")]
)
def test_a_service_without_an_answer_fails_it(tmp_path: Path, status: int, body: bytes) -> None:
    with advisories(lambda _: (status, body)) as (url, _):
        assert look_up(url, tmp_path).returncode != 0


def test_a_service_that_is_away_fails_it(tmp_path: Path) -> None:
    assert look_up("http://127.0.0.1:1/v1/query", tmp_path).returncode != 0

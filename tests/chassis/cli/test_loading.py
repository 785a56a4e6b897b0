"""A process loads what it uses: the modules that each kind of process must do without."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.chassis.cli.running import serving
from tests.ports import find_free_address
from tests.serving import SERVICES

ROOT = Path(__file__).parents[3]
RARE = {
    "alembic",
    "asyncssh",
    "babel",
    "cryptography",
    "fpdf",
    "grpc_reflection.v1alpha",
    "holidays",
    "mako",
    "opentelemetry",
    "phonenumbers",
    "prometheus_client",
    "psycopg",
    "rich",
    "segno",
    "smtplib",
    "stdnum",
    "urllib3",
    "werkzeug",
}
SERVER = {"asyncio", "google.protobuf", "grpc", "marshmallow", "sqlalchemy"}
# What a service on SQLite does without, though libraries that it uses would bring it.
UNUSED = {"http.client", "sqlalchemy.dialects.postgresql", "sqlalchemy.orm", "urllib.request"}
COMMANDS = [
    "",
    "serve",
    "dispatch",
    "migrate",
    "load",
    "health",
    "accounts",
    "accounts add",
    "accounts list",
    "accounts revoke",
    "events",
    "events list",
    "events replay",
    "events endpoints",
    "audit",
    "audit list",
    "audit export",
    "audit verify",
    "persons",
    "persons export",
    "persons erase",
    "backup",
    "restore",
    "doctor",
    "keys",
    "keys list",
    "keys rotate",
    "keys open",
]
# What the process has loaded in the end, after what it prints itself.
RUN = """
import atexit, sys
atexit.register(lambda: print("MODULES", *sys.modules))
from {service}_svc.__main__ import cli
cli(sys.argv[1:])
"""
# The same, of a service that has started everything that it runs at rest.
SERVE = """
import os, signal, sys, threading, time
def look():
    while "dispatcher" not in {thread.name for thread in threading.enumerate()}:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=look, daemon=True).start()
"""


def run(script: str, folder: Path, *words: str, **environment: str) -> set[str]:
    """Run a script with an empty data folder, and return the modules that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "MODULES" in done.stdout, done.stderr
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize("service", SERVICES)
def test_help_needs_neither_a_server_nor_a_store(service: str, tmp_path: Path) -> None:
    loaded = run(RUN.format(service=service), tmp_path, "--help")
    assert not loaded & (RARE | SERVER)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_is_as_light(command: str, tmp_path: Path) -> None:
    loaded = run(RUN.format(service="orders"), tmp_path, *command.split(), "--help")
    assert not loaded & (RARE | SERVER)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["report", "report deliveries", "check"])
def test_so_is_the_help_of_a_command_of_one_service(command: str, tmp_path: Path) -> None:
    loaded = run(RUN.format(service="subscriptions"), tmp_path, *command.split(), "--help")
    assert not loaded & (RARE | SERVER)
    assert not list(tmp_path.iterdir())


def test_health_needs_no_store(tmp_path: Path) -> None:
    loaded = run(RUN.format(service="orders"), tmp_path, "health", "--listen", "127.0.0.1:1")
    assert "grpc" in loaded
    assert not loaded & (RARE | {"sqlalchemy", "marshmallow"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_at_rest_on_sqlite(service: str, tmp_path: Path) -> None:
    cli = importlib.import_module(f"{service}_svc.__main__").cli
    assert CliRunner(env={"DATA_DIR": str(tmp_path)}).invoke(cli, ["migrate"]).exit_code == 0
    loaded = run(SERVE + RUN.format(service=service), tmp_path, "serve", "--listen", "127.0.0.1:0")
    assert {"grpc", "sqlalchemy", "chassis.events.dispatcher"} <= loaded
    assert not loaded & (RARE | UNUSED)


def test_a_parent_of_workers_loads_no_server(tmp_path: Path) -> None:
    imports = "import chassis.cli.processes.workers\ncli("
    script = RUN.format(service="orders").replace("cli(", imports)
    loaded = run(script, tmp_path, "--help")
    assert not loaded & (RARE | SERVER)


def test_the_gateway_at_rest(tmp_path: Path) -> None:
    script = """
import sys
from gateway import create_app
create_app()
print("MODULES", *sys.modules)
"""
    loaded = run(script, tmp_path)
    assert not loaded & ((RARE - {"werkzeug"}) | (SERVER - {"google.protobuf"}))


def test_no_collection_walks_through_what_a_service_has_loaded(
    tmp_path: Path, store: dict[str, str]
) -> None:
    """One did, for 60 ms in which no call went on, every 40,000 reads."""
    note = tmp_path / "frozen"
    tell = f"import atexit, gc\natexit.register(lambda: open({str(note)!r}, 'w').write("
    (tmp_path / "sitecustomize.py").write_text(f"{tell}str(gc.get_freeze_count())))\n")
    with serving(PYTHONPATH=str(tmp_path), LISTEN=find_free_address(), **store) as process:
        process.terminate()
        assert process.wait(60) == 0
    assert int(note.read_text()) > 20_000

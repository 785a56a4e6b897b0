"""`optigate status`: health, schema and backlog of running services, and of what is away."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway import health
from optigate import status
from optigate.command import cli
from tests.serving import SERVICES, Served


def run(*words: str) -> tuple[int, Any]:
    """The exit code and the output of `optigate status`."""
    done = CliRunner().invoke(cli, ["status", *words])
    assert not done.stderr
    return done.exit_code, json.loads(done.stdout) if "--json" in words else done.stdout


def test_it_tells_of_four_processes(
    sessions: Served,
    orders: Served,
    subscriptions: Served,
    site: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for served in (sessions, orders, subscriptions):
        url = served.database.url.render_as_string(hide_password=False)
        monkeypatch.setenv(f"{served.name.upper()}_DATABASE_URL", url)
        monkeypatch.setenv(f"{served.name.upper()}_LISTEN", served.address)
    monkeypatch.setenv("GATEWAY_BIND", site.removeprefix("http://"))
    # All four run in this process, which others may keep from answering for a moment.
    monkeypatch.setattr(health, "CHECK_TIMEOUT_SECONDS", 20.0)
    code, report = run("--json")
    processes = report["processes"]
    assert (code, list(processes)) == (0, [*SERVICES, "gateway"])
    assert processes["gateway"]["health"] == "ready"
    for name in SERVICES:
        found = processes[name]
        assert (found["health"], found["schema"], found["given_up"]) == ("serving", "current", 0)
        assert isinstance(found["waiting"], int)
    code, table = run()
    assert code == 0
    lines = table.splitlines()
    assert lines[1].split("  ")[0] == "process"
    assert [line.split()[0] for line in lines[2:]] == [*SERVICES, "gateway"]


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
def test_a_gateway_on_all_addresses_is_asked_on_loopback(
    host: str, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setattr(status, "TIMEOUT_SECONDS", 30)
    assert status.ask_gateway(f"{host}:{site.rpartition(':')[2]}") == "ready"


def test_what_is_away_is_told_and_nothing_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in SERVICES:
        monkeypatch.setenv(f"{name.upper()}_LISTEN", "127.0.0.1:1")
        monkeypatch.delenv(f"{name.upper()}_DATABASE_URL", raising=False)
    monkeypatch.setenv("GATEWAY_BIND", "127.0.0.1:1")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.db").write_text("This is not a database, but a text.\n" * 40)
    monkeypatch.setenv("SUBSCRIPTIONS_DATABASE_URL", "mysql://h/x")
    code, report = run("--json")
    assert code == 1
    told = {name: (each["health"], each["schema"]) for name, each in report["processes"].items()}
    assert told == {
        "sessions": ("unavailable", "no store"),
        "orders": ("unavailable", "cannot be read"),
        "subscriptions": ("unavailable", "no such database"),
        "gateway": ("no answer", "-"),
    }
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["orders.db"]

"""`load` says how the rows changed; tables are under headers, and all of it is JSON when asked."""

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chassis.cli.output import progress
from optigate.command import cli
from tests.serving import SERVICES

DEMO = Path(__file__).parents[3] / "demo"
LISTS = [["accounts", "list"], ["events", "list"], ["events", "endpoints"], ["audit", "list"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "LINE_SECONDS", inf)  # on a slow machine, too
    for name in ("DATA_DIR", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*words: str) -> Any:
    """Run a command; returns what it prints, which is JSON with `--json`."""
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return json.loads(done.stdout) if "--json" in words else done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_the_demo_is_added_once(name: str, folder: Path) -> None:
    moved = run(name, "migrate", "--json")
    assert (moved["service"], moved["before"]) == (name, None)
    file = str(DEMO / f"{name}.toml")
    first = run(name, "load", file, "--json")
    assert {kind for each in first.values() for kind, count in each.items() if count} == {"added"}
    again = run(name, "load", file, "--json")
    assert again == {
        table: {"added": 0, "changed": 0, "removed": 0, "unchanged": each["added"]}
        for table, each in first.items()
    }


def test_what_is_added_changed_and_removed_is_counted(folder: Path) -> None:
    run("sessions", "migrate")
    run("sessions", "load", str(DEMO / "sessions.toml"))
    file = folder / "partner.toml"
    file.write_text(
        '[[partners]]\naccount = "demo-partner"\nlimits = { min_age = 21 }\n'
        'stores = [{ id = "store_1234", enabled = false }, { id = "new" }]\n'
        'endpoint = { url = "https://partner.example/events" }\n'
    )
    assert run("sessions", "load", str(file)) == (
        "accounts: 3 unchanged\n"
        "partners: 1 changed, 1 unchanged\n"
        "stores: 1 added, 1 changed, 1 removed\n"
        "products: 2 removed\n"
        "endpoints: 1 added\n"
    )


def test_many_rows_are_only_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.cli.reference.changes.MAX_COMPARED_ROWS", 2)
    run("orders", "migrate")
    assert "addons: 8 now\n" in run("orders", "load", str(DEMO / "orders.toml"))
    told = run("orders", "load", str(DEMO / "orders.toml"))
    assert "labs: 2 unchanged\n" in told
    assert "addons: 8 before, 8 now\n" in told


@pytest.mark.parametrize("words", [*LISTS, ["users", "list"]], ids=" ".join)
def test_every_table_has_headers_and_a_form_in_json(words: list[str], folder: Path) -> None:
    run("orders", "migrate")
    run("orders", "load", str(DEMO / "orders.toml"))
    rows = run("orders", *words, "--json")
    header, *lines = run("orders", *words).splitlines()
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert header.split("\t") == [name.replace("_", " ") for name in row]
        values = ["-" if value is None else str(value) for value in row.values()]
        assert line.split("\t") == values


def test_doctor_and_check_have_a_form_in_json(folder: Path) -> None:
    run("subscriptions", "migrate")
    assert run("subscriptions", "check", "--json") == {"counters": [], "totals": []}
    run("subscriptions", "load", str(DEMO / "subscriptions.toml"))
    done = CliRunner().invoke(cli, ["subscriptions", "doctor", "--json"])
    assert done.exit_code == 2
    levels = [each["level"] for each in json.loads(done.stdout)]
    assert "fault" in levels

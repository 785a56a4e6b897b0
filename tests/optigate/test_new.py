"""`optigate new`: a commented file that loads, the account's secret, and nothing by halves."""

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from optigate.command import cli

NEW: dict[str, tuple[str, list[str], str]] = {
    "partner": ("sessions", ["--account", "acme", "--store", "s1"], "acme"),
    "lab": ("orders", ["--id", "lab_9", "--name", "Lab Nine"], "lab_9"),
    "merchant": (
        "subscriptions",
        ["--id", "shop-1", "--name", "Größe & Söhne", "--account", "shop"],
        "shop-1",
    ),
}
HOSTILE = 'a"b\\c\n[[accounts]]\nname = "x" \x7f é'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which is empty."""
    monkeypatch.chdir(tmp_path)
    for name in ("sessions", "orders", "subscriptions"):
        monkeypatch.delenv(f"{name.upper()}_DATABASE_URL", raising=False)
    monkeypatch.delenv("DATA_DIR", raising=False)
    return tmp_path


def run(*words: str, text: str | None = None) -> Any:
    """Run the command; returns click's result."""
    return CliRunner().invoke(cli, words, input=text)


@pytest.mark.parametrize("kind", NEW)
def test_it_is_written_and_loaded(kind: str, folder: Path) -> None:
    service, options, name = NEW[kind]
    assert run(service, "migrate").exit_code == 0
    done = run("new", kind, *options)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{name}.toml: written, and loaded into {service}\n")
    assert ("its secret, which is not shown again: " in done.stdout) == (kind != "lab")
    again = run(service, "load", f"{name}.toml")
    assert (again.exit_code, again.stderr) == (0, "")
    listed = run(service, "audit", "list").stdout
    assert f"\tnew {kind}\t" in listed


@pytest.mark.parametrize("kind", NEW)
def test_every_key_in_its_comments_is_known(kind: str, folder: Path) -> None:
    service, options, name = NEW[kind]
    run("new", kind, *options, "--no-load")
    lines = (folder / f"{name}.toml").read_text().splitlines()
    schema = import_module(f"{service}_svc.reference").REFERENCE
    shown = [line.removeprefix("# ") if " = " in line else line for line in lines]
    assert shown != lines
    schema.load(tomllib.loads("\n".join(shown)))


def test_it_asks_for_what_is_missing(folder: Path) -> None:
    done = run("new", "lab", "--no-load", text="lab_7\nSeventh Lab\n")
    assert done.stdout == "Id of the lab: lab_7\nName of the lab: Seventh Lab\n" + (
        "lab_7.toml: written\n"
    )
    (lab,) = tomllib.loads((folder / "lab_7.toml").read_text())["labs"]
    assert (lab["id"], lab["name"]) == ("lab_7", "Seventh Lab")


def test_names_are_text_whatever_they_hold(folder: Path) -> None:
    done = run("new", "lab", "--id", "a/../b\nc = 1", "--name", HOSTILE, "--no-load")
    assert done.exit_code == 1
    assert "must" in done.stderr.lower()
    done = run("new", "lab", "--id", "../b", "--name", 'a"b\\c é', "--no-load")
    assert (done.exit_code, done.stdout) == (0, ".._b.toml: written\n")
    (lab,) = tomllib.loads((folder / ".._b.toml").read_text())["labs"]
    assert (lab["id"], lab["name"]) == ("../b", 'a"b\\c é')


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["merchant", "--currency", "EURO"], "merchants.0.currency: Must be a currency of ISO"),
        (["merchant", "--account", "a b"], "An account name is 1-64 characters of"),
        (["merchant", "--endpoint", "ftp://x"], "merchants.0.endpoint.url: "),
    ],
)
def test_what_is_invalid_leaves_neither_file_nor_account(
    words: list[str], told: str, folder: Path
) -> None:
    run("subscriptions", "migrate")
    options = [*NEW["merchant"][1], *words[1:]]
    done = run("new", words[0], *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert told in done.stderr
    assert [path.name for path in folder.iterdir()] == ["data"]
    assert run("subscriptions", "accounts", "list", "--json").stdout == "[]\n"


def test_an_existing_file_is_kept_and_nothing_is_loaded(folder: Path) -> None:
    run("sessions", "migrate")
    (folder / "acme.toml").write_text("mine")
    done = run("new", "partner", "--account", "acme")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: acme.toml exists: use --replace, or --out.\n",
    )
    assert (folder / "acme.toml").read_text() == "mine"
    assert run("sessions", "accounts", "list", "--json").stdout == "[]\n"
    assert run("new", "partner", "--account", "acme", "--replace").exit_code == 0


def test_without_a_store_nothing_is_written(folder: Path) -> None:
    done = run("new", "partner", "--account", "acme")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: There is no store at data/sessions.db: run ")
    assert not list(folder.iterdir())

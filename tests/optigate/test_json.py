"""Every command prints JSON when asked, but those that write a format of their own."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from optigate.command import cli
from tests.optigate.test_command import walk
from tests.serving import SERVICES, write_keys

DEMO = Path(__file__).parents[2] / "demo"
# They serve until they are stopped, ask for a password, or write JSON, CSV, a page or a file.
OTHERS = re.compile(
    r"gateway|demo|welcome|\w+ (serve|dispatch|audit export|persons export|keys open)"
    r"|orders users hash|person export|subscriptions (report deliveries|payments statement)"
)


def find_command(words: tuple[str, ...]) -> click.Command:
    """A command below `optigate`."""
    found: click.Command = cli
    for word in words:
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), word)
        assert below
        found = below
    return found


LEAVES = [words for words in walk(cli) if not isinstance(find_command(words), click.Group)]


def test_every_command_has_json_or_a_format_of_its_own() -> None:
    lacking = {
        " ".join(words)
        for words in LEAVES
        if not any("--json" in each.opts for each in find_command(words).params)
    }
    assert sorted(each for each in lacking if not OTHERS.fullmatch(each)) == []
    assert len(LEAVES) - len(lacking) > 50


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a ring of keys and nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATA_DIR", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", "https://shop.example")
    monkeypatch.setenv("ENCRYPTION_KEYS", str(write_keys(tmp_path / "ring", "a")))
    return tmp_path


def ask(*words: str) -> Any:
    """What a command prints as JSON; nothing else is on standard output."""
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", SERVICES)
def test_commands_of_a_service_print_json(folder: Path, name: str) -> None:
    assert ask(name, "migrate")["service"] == name
    ask(name, "load", str(DEMO / f"{name}.toml"))
    added = ask(name, "accounts", "add", "zoe")
    assert (added.keys(), added["role"]) == ({"account", "role", "secret"}, "client")
    rotated = ask(name, "accounts", "rotate", "zoe", "--overlap", "1h")
    assert rotated["overlap_seconds"] == 3600
    assert rotated["secret"] not in ("", added["secret"])
    assert ask(name, "accounts", "revoke", "zoe") == {"account": "zoe", "state": "revoked"}
    sealed = ask(name, "keys", "rotate")
    assert sealed["unopened_files"] == 0
    assert sealed["sealed"]["outbox"] == 0
    assert [row["state"] for row in ask(name, "keys", "list")] == ["current", "plain"]
    verified = ask(name, "audit", "verify")
    assert (verified["is_whole"], verified["breaks"], verified["seals"]) == (True, [], 0)
    assert verified["unsealed_entries"] >= 4
    assert ask(name, "retain") == {}
    kept = ask(name, "backup", "copy.backup")
    assert kept == {
        "file": "copy.backup",
        "revision": ask(name, "migrate")["revision"],
        "bytes": (folder / "copy.backup").stat().st_size,
        "keys": ["a"],
    }
    restored = ask(name, "restore", "copy.backup", "--replace")
    assert restored["needs_migration"] is False
    assert Path(restored["aside"]).exists()


def test_users_links_are_json(folder: Path) -> None:
    ask("orders", "migrate")
    ask("orders", "accounts", "add", "shop")
    added = ask("orders", "users", "add", "ada@example.com", "--account", "shop")
    assert added["link"].startswith("https://shop.example/orders/invitations/")
    assert ask("orders", "users", "reset", "ada@example.com")["link"] != added["link"]
    assert ask("orders", "users", "disable", "ada@example.com")["state"] == "disabled"


def test_certificates_and_new_files_are_json(folder: Path) -> None:
    assert ask("certificates", "orders") == {"folder": "tls", "made": ["authority", "orders"]}
    ask("sessions", "migrate")
    made = ask("new", "partner", "--account", "clearsight", "--store", "main")
    assert (made["file"], made["is_loaded"], made["account"]) == (
        "clearsight.toml",
        True,
        "clearsight",
    )
    assert len(made["secret"]) > 20


def test_an_address_where_nobody_serves_is_no_json(folder: Path) -> None:
    done = CliRunner().invoke(cli, ["orders", "health", "--listen", "127.0.0.1:1", "--json"])
    assert (done.exit_code, done.stdout) == (1, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell: str, tmp_path: Path) -> None:
    script = [sys.executable, "-c", "from optigate.command import cli; cli(prog_name='optigate')"]
    environment = {"_OPTIGATE_COMPLETE": f"{shell}_source", "PATH": "/usr/bin:/bin"}
    root = Path(__file__).parents[2]
    done = subprocess.run(script, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "_OPTIGATE_COMPLETE" in done.stdout
    asked = {
        "_OPTIGATE_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "optigate orders acc",
        "COMP_CWORD": "acc" if shell == "fish" else "2",
    }
    done = subprocess.run(
        script, env={**environment, **asked}, cwd=root, capture_output=True, text=True
    )
    assert "accounts" in done.stdout

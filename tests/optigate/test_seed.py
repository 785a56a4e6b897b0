"""`optigate seed` and `optigate welcome`: first accounts, their secrets, and their calls."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optigate.command import cli
from optigate.seed import FIRST
from tests.serving import SERVICES

ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three empty stores."""
    monkeypatch.chdir(tmp_path)
    for name in SERVICES:
        monkeypatch.delenv(f"{name.upper()}_DATABASE_URL", raising=False)
        assert run(name, "--data-dir", tmp_path, "migrate").exit_code == 0
    return tmp_path


def run(*words: str | Path) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli, [str(word) for word in words], prog_name="optigate")


def seed(folder: Path) -> Result:
    """Run the command on the stores of a folder."""
    return run("seed", "--data-dir", folder, "--secrets", folder / "secrets")


def test_it_adds_an_account_to_each_store_once(folder: Path) -> None:
    done = seed(folder)
    assert done.exit_code == 0, done.output
    files = [folder / "secrets" / first.account for first in FIRST]
    secrets = [file.read_text() for file in files]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(set(secrets)) == len(SERVICES)
    assert not any(secret in done.output for secret in secrets)
    for first in FIRST:
        listed = run(first.service, "--data-dir", folder, "accounts", "list").stdout
        assert first.account in listed
    again = seed(folder)
    assert again.stdout.splitlines() == [
        f"{first.service}: {first.account} is there" for first in FIRST
    ]
    assert [file.read_text() for file in files] == secrets


def test_stores_that_have_accounts_are_left_alone(folder: Path) -> None:
    run("sessions", "--data-dir", folder, "accounts", "add", "clearsight")
    assert seed(folder).stdout.startswith("sessions: has accounts\norders: first-client added")
    assert not (folder / "secrets" / "first-partner").exists()


def test_a_secret_without_its_account_is_used(folder: Path) -> None:
    (folder / "secrets").mkdir()
    (folder / "secrets" / "first-partner").write_text("left-by-a-killed-process-2ab\n")
    (folder / "secrets" / "first-client").write_text("")
    assert seed(folder).exit_code == 0
    kept = folder / "secrets" / "first-partner"
    assert kept.read_text() == "left-by-a-killed-process-2ab\n"
    assert len((folder / "secrets" / "first-client").read_text()) > 40


def test_what_it_did_is_in_the_audit_trail(folder: Path) -> None:
    seed(folder)
    listed = run("sessions", "--data-dir", folder, "audit", "list", "--since", "1h").stdout
    assert "seed" in listed


def test_it_creates_no_store(tmp_path: Path) -> None:
    done = seed(tmp_path)
    assert (done.exit_code, "There is no store" in done.stderr) == (1, True)
    assert not list(tmp_path.iterdir())


@ON_SQLITE
def test_accounts_whose_secret_was_changed_are_named(site: str, tmp_path: Path) -> None:
    words = ("welcome", "--gateway", site, "--public-url", "https://optics.example/")
    said = run(*words, "--secrets", tmp_path)
    assert (said.exit_code, said.stdout) == (0, "Optigate is up: https://optics.example\n\n")
    (tmp_path / "first-partner").write_text("another-secret-9d")
    assert run(*words, "--secrets", tmp_path).stdout == (
        "Optigate is up: https://optics.example\n\n"
        "  first-partner: refused, its secret was changed\n"
    )


def test_a_gateway_that_is_not_there_is_a_sentence(folder: Path) -> None:
    seed(folder)
    words = ("welcome", "--gateway", "http://127.0.0.1:1", "--secrets", folder / "secrets")
    done = run(*words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: http://127.0.0.1:1/api/v2/partners/me: ")


@ON_SQLITE
def test_the_health_of_a_gateway(site: str) -> None:
    words = [sys.executable, "-m", "optigate", "gateway", "--bind"]
    bind = site.removeprefix("http://")
    done = subprocess.run([*words, bind, "health"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = subprocess.run([*words, "x:y", "health"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "Error: x:y: no answer\n")

"""The commands about accounts: rotate, list, and secrets in files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import URL

from orders_svc.__main__ import cli
from protos.orders_pb2 import CreateTokenRequest
from tests.serving import Served

SECRET = "a-secret-of-the-operators-own"
Run = Callable[..., Any]


@pytest.fixture
def run(orders: Served) -> Run:
    """Runs `accounts` on the store; returns its exit code, output and errors."""
    url: URL = orders.database.url

    def run_command(*words: str) -> Any:
        store = ["--database-url", url.render_as_string(hide_password=False)]
        done = CliRunner().invoke(cli, [*store, "accounts", *words])
        return done.exit_code, done.stdout, done.stderr

    return run_command


def is_valid(orders: Served, name: str, secret: str) -> bool:
    """Whether a token is issued for these credentials."""
    asked = CreateTokenRequest(client_id=name, client_secret=secret)
    try:
        return bool(orders.call("CreateToken", asked, "").token)
    except Exception:  # noqa: BLE001 - grpc's own kind of error
        return False


def test_it_works(orders: Served, run: Run, unique: str) -> None:
    old = run("add", unique)[1].strip()
    code, out, said = run("rotate", unique, "--overlap", "24h")
    new = out.strip()
    assert (code, said, len(new) >= 40) == (0, "", True)
    assert is_valid(orders, unique, old)
    assert is_valid(orders, unique, new)
    (line,) = [each for each in run("list")[1].splitlines() if each.startswith(unique)]
    assert "\tlive\told secret until 20" in line
    assert line.endswith(" UTC")
    last = run("rotate", unique, "--overlap", "0")[1].strip()
    assert [is_valid(orders, unique, each) for each in (old, new, last)] == [False, False, True]
    (line,) = [each for each in run("list")[1].splitlines() if each.startswith(unique)]
    assert line.endswith("\tlive\t-")


def test_a_secret_comes_from_a_file_and_is_not_printed(
    orders: Served, run: Run, unique: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    assert run("add", unique, "--secret-file", str(file)) == (0, f"{unique} added\n", "")
    assert is_valid(orders, unique, SECRET)
    file.write_text(f"{SECRET}-too")
    done = run("rotate", unique, "--secret-file", str(file))
    assert done == (0, f"{unique} has a new secret\n", "")
    assert is_valid(orders, unique, f"{SECRET}-too")
    again = run("rotate", unique, "--secret-file", str(file))
    assert again[2] == "Error: The account has, or had, this secret; choose another one.\n"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("short", "the secret must have 16 to 255 characters."),
        ("x" * 256, "the secret must have 16 to 255 characters."),
        ("passwordpassword", "the secret is too easy to guess: use random characters"),
        ("", "must hold one secret"),
    ],
)
def test_a_weak_secret_adds_no_account(
    orders: Served, run: Run, unique: str, tmp_path: Path, secret: str, said: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(secret)
    before = orders.rows()
    code, out, error = run("add", unique, "--secret-file", str(file))
    assert (code, out, said in error) == (1, "", True)
    assert orders.rows() == before


@pytest.mark.parametrize("overlap", ["1", "1w", "-1h", "91d", "24 h", "", "1.5h", "\u0661h"])
def test_an_overlap_is_a_time(orders: Served, run: Run, overlap: str) -> None:
    before = orders.rows()
    code, _, said = run("rotate", "demo-client", "--overlap", overlap)
    assert (code, "is no time such as 30m, 24h or 7d" in said) == (2, True)
    assert orders.rows() == before


def test_an_unknown_account_has_no_secret_to_replace(run: Run) -> None:
    assert run("rotate", "nobody") == (1, "", "Error: No live account has this name.\n")

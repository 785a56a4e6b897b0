"""One service under load, and a deployment that already runs: whether it works, not how fast."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.__main__ import cli
from bench.experiments.contenders import Stores, optigate
from bench.experiments.launcher import Contender, find_free_address, format_address, run_contender

# Several processes are started, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)

BRIEF_OPTIONS = ["--seconds", "0.5", "--rate", "20", "--connections", "2"]


def run(*words: str) -> Result:
    """Run a command of the bench."""
    return CliRunner().invoke(cli, words)


def read_figures(result: Result) -> Any:
    """Return what --json has printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contender]:
    """A deployment that already runs, on SQLite."""
    folder = tmp_path_factory.mktemp("deployment")
    contender = optigate(Stores("sqlite", folder))
    with run_contender(contender, folder):
        yield contender


@pytest.mark.parametrize(
    ("words", "processes"),
    [(["sessions"], {"sessions"}), (["http", "orders"], {"orders", "gateway"})],
    ids=["grpc", "http"],
)
def test_a_run_of_one_service_starts_one_service(words: list[str], processes: set[str]) -> None:
    told = read_figures(run(*words, *BRIEF_OPTIONS, "--json"))
    assert set(told["cpu"]) == set(told["memory"]) == processes
    assert (told["error_count"], told["faults"]) == (0, [])
    assert told["throughput"] > 0


@pytest.mark.parametrize(
    ("service", "way", "form"),
    [
        ("sessions", [], "figures"),
        ("sessions", ["http"], "JSON"),
        ("orders", [], "JSON"),
        ("orders", ["http"], "figures"),
        ("subscriptions", [], "figures"),
        ("subscriptions", ["http"], "JSON"),
    ],
    ids=lambda value: "".join(value) or "grpc",
)
def test_a_target_is_loaded_and_nothing_is_started(
    deployment: Contender, service: str, way: list[str], form: str
) -> None:
    address = deployment.http_address if way else deployment.grpc[service]
    words = [*way, service, *BRIEF_OPTIONS, "--target", format_address(address)]
    if form == "JSON":
        told = read_figures(run(*words, "--json"))
        assert (told["cpu"], told["memory"], told["error_count"]) == ({}, {}, 0)
        assert told["latencies"]["p99"] > 0
    else:
        done = run(*words)
        assert (done.exit_code, done.stderr) == (0, "")
        assert "p99 " in done.stdout
        assert "errors: 0" in done.stdout


def test_a_target_is_read(deployment: Contender, tmp_path: Path) -> None:
    target = ["--target", format_address(deployment.http_address)]
    assert (
        read_figures(run("http", "orders", "--read", *BRIEF_OPTIONS, *target, "--json"))[
            "error_count"
        ]
        == 0
    )
    missing = run("http", "subscriptions", "--read", *BRIEF_OPTIONS, *target)
    assert (missing.exit_code, "needs --id" in missing.stderr) == (2, True)
    order = tmp_path / "order.json"
    order.write_text('{"mode": "draft"}')
    done = run("http", "orders", *BRIEF_OPTIONS, *target, "--body", str(order))
    assert (done.exit_code, "400" in done.stdout) == (1, True)


def test_a_threshold_that_is_passed_is_a_failure(deployment: Contender) -> None:
    target = ["--target", format_address(deployment.http_address)]
    done = run("http", "sessions", *BRIEF_OPTIONS, *target, "--max-p99", "0.001")
    assert (done.exit_code, "above 0.001" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--secret", "wrong"], "refused with 401"), (["--target", "nowhere"], "HOST:PORT")],
)
def test_a_target_that_refuses_is_named(
    deployment: Contender, words: list[str], message: str
) -> None:
    target = ["--target", format_address(deployment.http_address)]
    done = run("http", "orders", *BRIEF_OPTIONS, *target, *words)
    assert done.exit_code != 0
    assert message in done.stderr


def test_a_target_that_does_not_run_is_named() -> None:
    address = format_address(find_free_address())
    done = run("http", "sessions", *BRIEF_OPTIONS, "--target", address)
    assert (done.exit_code, address in done.stderr) == (1, True)

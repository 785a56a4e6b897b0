"""The experiments that grow something, in short forms: whether they run, not how fast."""

import re

import pytest
from click.testing import CliRunner

from bench.__main__ import cli

# Several processes are started, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)


def run(*words: str) -> list[str]:
    """Return the lines that a command of the bench prints."""
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_ramp_finds_a_knee() -> None:
    lines = run(
        *("ramp", "--contender", "by_the_book", "--start", "5", "--factor", "2"),
        *("--steps", "2", "--seconds", "0.5", "--connections", "2"),
    )
    rates = [line for line in lines if line.endswith("/s") and not line.startswith(" ")]
    assert rates[0] == "5/s"
    assert lines[-1].startswith("The knee of by_the_book on sqlite: ")


def test_soak_watches_the_memory() -> None:
    lines = run("soak", "--requests", "50", "--connections", "2")
    assert [line.split()[0] for line in lines if "MB PSS" in line] == [
        str(count) for count in range(0, 51, 5)
    ]
    assert lines[-1].startswith("Growth after the first fifth: ")


def test_replicas_compares_one_process_with_several() -> None:
    lines = run("replicas", "--rounds", "1", "--seconds", "0.5", "--connections", "16")
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles[:4] == [
        "1 x orders, over gRPC",
        "2 x orders, over gRPC",
        "the gateway and 1 x orders, over HTTP",
        "fastapi, over HTTP",
    ]
    assert [line.partition(":")[0] for line in titles[4:]] == [
        "2 x orders / 1 x orders",
        "2 x orders / the gateway and 1 x orders, over HTTP",
        "2 x orders / fastapi, over HTTP",
    ]
    (both,) = [line for line in lines if re.search(r"orders 2 \d", line)]
    assert "orders 1" in both  # both processes have worked


def test_traces_are_measured_without_hooks_off_and_on() -> None:
    title, *lines = run("traces", "--share", "0.01")
    assert title.startswith("GET /v1/me")
    assert [line[:18].strip() for line in lines[:3]] == ["no hooks", "off", "on"]
    assert all(line.endswith("off, one call") for line in lines[3:])


def test_metrics_are_measured_in_gateway_and_service() -> None:
    lines = run("metrics", "--share", "0.05")
    figures = [re.split(r"  +", line) for line in lines]
    assert [title for title, *_ in figures] == [
        "gateway, GET /livez",
        "orders, WhoAmI and its client",
        "a scrape of orders",
    ]
    assert all(" off" in line and " on" in line for line in lines[:2])


def test_translate_takes_an_order_through_its_steps() -> None:
    head, *steps = run("translate", "--share", "0.01")
    assert head.startswith("An order of 12")
    assert len(steps) == 10
    assert all(float(step.split()[-1]) > 0 for step in steps)

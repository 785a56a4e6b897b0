"""The command `optigate`: every help without a store, the same objects, sentences for errors."""

import socket
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from optigate.command import COMMANDS, cli
from tests.serving import SERVICES

ROOT = Path(__file__).parents[2]


def walk(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of a command and of all commands below it."""
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from walk(below, (*words, name))


@pytest.mark.parametrize("words", list(walk(cli)), ids=lambda words: " ".join(("optigate", *words)))
def test_every_help_needs_no_store_and_creates_nothing(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, [*words, "--help"], prog_name="optigate")
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    assert done.stdout.startswith(f"Usage: {' '.join(('optigate', *words))} [")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", SERVICES)
def test_the_services_are_what_python_m_runs(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is import_module(f"{name}_svc.__main__").cli


def test_commands_are_sorted_and_unknown_ones_refused() -> None:
    assert list(COMMANDS) == sorted(COMMANDS)
    done = CliRunner().invoke(cli, ["orderz"])
    assert (done.exit_code, "No such command 'orderz'" in done.stderr) == (2, True)


def test_the_version_is_that_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    done = CliRunner().invoke(cli, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"optigate {version}\n")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_busy_address_of_the_gateway_is_a_sentence(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host.strip("[]"), 0), family=family) as taken:
        bind = f"{host}:{taken.getsockname()[1]}"
        done = CliRunner().invoke(cli, ["gateway", "--bind", bind])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: {bind} is in use, or not an address of this machine: set GATEWAY_BIND or --bind"
        " to another one.\n"
    )


def test_a_busy_address_of_a_service_is_a_sentence(tmp_path: Path) -> None:
    words = ["sessions", "--data-dir", str(tmp_path)]
    assert CliRunner().invoke(cli, [*words, "migrate"]).exit_code == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = CliRunner().invoke(cli, [*words, "serve", "--listen", listen])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: Cannot listen on {listen}: it is in use, or not an address of this machine. Set"
        " LISTEN to another one, or stop what listens there.\n"
    )

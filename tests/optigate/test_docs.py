"""The lines of docs/operate.md about the command `optigate`, and its completion."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from optigate.command import cli
from tests.examples.test_lines import list_blocks

# They run until they are stopped; tests/test_wheels.py runs the demo of the installed command.
RUNNING = ("demo", "gateway")


def read_block(holding: str) -> list[str]:
    """The lines of a shell block of docs/operate.md."""
    (block,) = (each for each in list_blocks("docs/operate.md") if holding in each)
    return block.splitlines()


def run(*words: str, **environment: str) -> Any:
    """Run the command; returns click's result."""
    return CliRunner().invoke(cli, words, env=environment, prog_name="optigate")


def test_the_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_DIR", raising=False)
    for name in ("SESSIONS_LISTEN", "ORDERS_LISTEN", "SUBSCRIPTIONS_LISTEN", "GATEWAY_BIND"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    install, *lines = read_block("optigate status")
    assert install == "pip install ./protos ."
    for line in lines:
        _optigate, *words = shlex.split(line, comments=True)
        is_running = words[0] in RUNNING
        done = run(*words, *(["--help"] if is_running else []))
        assert done.exit_code == (1 if words == ["status"] else 0), (line, done.output)
    assert (tmp_path / "my-partner.toml").exists()


def test_completion_is_printed_and_completes() -> None:
    for line in read_block("_COMPLETE="):
        shell = line.partition("_OPTIGATE_COMPLETE=")[2].partition("_source")[0]
        done = run(_OPTIGATE_COMPLETE=f"{shell}_source")
        assert (done.exit_code, "optigate" in done.stdout) == (0, True)
    asked = {"COMP_WORDS": "optigate orders acc", "COMP_CWORD": "2"}
    done = run(_OPTIGATE_COMPLETE="bash_complete", **asked)
    assert done.stdout == "plain,accounts\n"

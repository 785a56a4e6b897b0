"""Log lines: what they may hold, and what an error tells them."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from chassis import telemetry
from chassis.telemetry import describe, log
from tests.chassis.logs import capture_log

ROOT = Path(__file__).parents[2]


def test_a_field_that_is_not_on_the_list_is_not_written() -> None:
    with capture_log() as lines:
        log().info("rpc", rpc="R", patient="Ada", email="ada@example.com", body={"a": 1})
    (line,) = lines()
    assert sorted(line) == ["event", "level", "rpc", "service", "timestamp"]


def test_an_error_is_its_type_and_its_place() -> None:
    def inner() -> None:
        raise ValueError("Ada")

    with pytest.raises(ValueError, match="Ada") as raised:
        inner()
    said = describe(raised.value)
    assert said["error"] == "ValueError"
    here = "test_an_error_is_its_type_and_its_place"
    first, second = said["where"].split(" < ")
    assert (first.startswith("test_telemetry.py:"), first.endswith(":inner")) == (True, True)
    assert second.endswith(f":{here}")
    assert "Ada" not in str(said)


def test_a_line_that_cannot_be_written_is_lost_without_an_error() -> None:
    closed = io.StringIO()
    closed.close()
    try:
        telemetry.configure("tests", closed)
        log().info("rpc", rpc="R")
    finally:
        telemetry.configure("tests")


def test_a_command_without_a_log_shows_trouble_on_standard_error() -> None:
    script = """
from chassis.telemetry import log
log().info("rpc", rpc="R")
log().warning("row not erased", reason="R", email="ada@example.com")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert (done.stdout, done.stderr) == ("", "optigate: warning: row not erased reason=R\n")

"""Progress: a bar on a terminal, plain lines without one, and never on standard output."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.cli.output import progress

ROOT = Path(__file__).parents[3]
COMMANDS = [["migrate"], ["load", "demo/orders.toml"], ["audit", "verify"], ["keys", "rotate"]]


def read_all(descriptor: int) -> str:
    """What was written to a terminal until its last writer was gone."""
    read = b""
    while True:
        try:
            chunk = os.read(descriptor, 4096)
        except OSError:  # how Linux tells the end
            chunk = b""
        if not chunk:
            return read.decode()
        read += chunk


def test_a_terminal_has_a_bar(tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    ring.write_text(f"a {'00' * 31}01\n")
    ring.chmod(0o600)
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "TERM": "xterm"}
    shown = {}
    for words in COMMANDS:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "orders_svc", *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        ) as running:
            os.close(theirs)
            shown[words[0]] = read_all(ours)
            assert running.stdout
            printed = running.stdout.read()
        os.close(ours)
        assert "[" not in printed
    assert "100%" in shown["migrate"]
    assert "orders.toml" in shown["load"]
    assert "100%" in shown["load"]


def test_without_a_terminal_there_are_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    with progress.show_progress("orders", 3) as report:
        report(1, "0001")
        report(3)
    assert capsys.readouterr() == ("", "orders: 1 of 3, 0001\norders: 3 of 3\n")


def test_short_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show_progress("orders", 3) as report:
        report(1, "0001")
    assert capsys.readouterr() == ("", "")

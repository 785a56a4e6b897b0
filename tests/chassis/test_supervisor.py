"""The supervisor restarts dead processes and leaves none behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from chassis.supervisor import MAX_RESTARTS, Supervisor

ROOT = Path(__file__).parents[2]


def run(commands: dict[str, str], seconds: float = 30) -> int:
    """Run until it ends by itself."""
    supervisor = Supervisor(commands, os.environ)
    timer = threading.Timer(seconds, supervisor.stop.set)
    timer.start()
    try:
        return supervisor.run()
    finally:
        timer.cancel()


def wait_for(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]  # a function
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_process_that_dies_is_started_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = tmp_path / "marks"
    command = f"echo x >> {marks}; if [ $(wc -l < {marks}) -lt 3 ]; then exit 7; fi; exec sleep 60"
    supervisor = Supervisor({"flaky": command}, os.environ)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    wait_for(lambda: marks.exists() and len(marks.read_text().splitlines()) == 3)
    supervisor.stop.set()
    thread.join(30)
    printed = capsys.readouterr().out
    assert printed.count("flaky ended with 7; starting it again") == 2
    assert "flaky stopped (rc=" in printed


@pytest.mark.parametrize("trouble", ["gone", "full"])
def test_a_terminal_in_trouble_stops_nothing(tmp_path: Path, trouble: str) -> None:
    marks, drained = tmp_path / "marks", tmp_path / "drained"
    flaky = f"echo x >> {marks}; if [ $(wc -l < {marks}) -lt 3 ]; then exit 7; fi; exec sleep 60"
    steady = f"trap 'touch {drained}; exit 0' TERM; while :; do sleep 0.05; done"
    script = (
        "import os, signal, sys; from chassis.supervisor import Supervisor;"
        "s = Supervisor({'flaky': sys.argv[1], 'steady': sys.argv[2]}, os.environ);"
        "signal.signal(signal.SIGTERM, lambda *_: s.stop.set()); sys.exit(s.run())"
    )
    ours, theirs = os.pipe()
    if trouble == "gone":
        os.close(ours)
    else:
        fill(theirs)
    process = subprocess.Popen(
        [sys.executable, "-c", script, flaky, steady], cwd=ROOT, stdout=theirs, stderr=theirs
    )
    try:
        wait_for(lambda: marks.exists() and len(marks.read_text().splitlines()) == 3)
        process.terminate()
        process.wait(30)
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
    assert drained.exists()
    if trouble == "full":
        os.close(ours)


def fill(pipe: int) -> None:
    """Write until a pipe that nobody reads holds no more."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))
    os.set_blocking(pipe, True)


def test_a_process_that_dies_too_often_stops_everything(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run({"hopeless": "exit 3", "steady": "exec sleep 60"}) == 1
    printed = capsys.readouterr().out
    assert len(re.findall(r"hopeless started", printed)) == MAX_RESTARTS + 1
    assert "hopeless ended with 3, 6 times within a minute: stopping everything." in printed
    assert "steady stopped (rc=-15)" in printed


def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"echo $$ >> {pids}; sleep 60 & echo $! >> {pids}; wait"
    script = (
        "import os, sys; from chassis.supervisor import Supervisor;"
        "Supervisor({'one': sys.argv[1], 'two': sys.argv[1]}, os.environ).run()"
    )
    process = subprocess.Popen([sys.executable, "-c", script, command], cwd=ROOT)
    wait_for(lambda: pids.exists() and len(pids.read_text().splitlines()) == 4)
    children = [int(line) for line in pids.read_text().splitlines()]
    assert all(map(is_alive, children))
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, children)))


def test_a_keeper_that_is_killed_is_replaced(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    command = f"echo x >> {marks}; exec sleep 60"
    supervisor = Supervisor({"steady": command}, os.environ)
    group = supervisor.keeper.pid
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    wait_for(marks.exists)
    os.kill(group, signal.SIGKILL)
    wait_for(lambda: supervisor.keeper.pid != group)
    assert os.getpgid(supervisor.keeper.pid) == group
    supervisor.stop.set()
    thread.join(30)
    assert marks.read_text() == "x\n"
    assert supervisor.keeper.poll() == -signal.SIGKILL


def test_a_stop_drains(tmp_path: Path) -> None:
    ready, drained = tmp_path / "ready", tmp_path / "drained"
    command = f"trap 'touch {drained}; exit 0' TERM; touch {ready}; while :; do sleep 0.05; done"
    supervisor = Supervisor({"slow": command}, os.environ)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    wait_for(ready.exists)
    supervisor.stop.set()
    thread.join(30)
    assert drained.exists()
    assert supervisor.keeper.poll() == -signal.SIGKILL


def test_a_process_that_refuses_is_not_started_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"refusing": f"exit {os.EX_CONFIG}"}) == 1
    printed = capsys.readouterr().out
    assert printed.count("refusing started") == 1
    assert "refusing cannot run like this: stopping everything." in printed

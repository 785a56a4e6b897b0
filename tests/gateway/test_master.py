"""gunicorn's own process, which starts the workers and stops them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.product import children, wait_for
from tests.gateway.real_front import PATIENCE_SECONDS, ROOT, Front, gunicorn
from tests.ports import find_free_address


@contextmanager
def writing_to(pipe: int, **variables: str) -> Iterator[Front]:
    """A gateway of two workers with all its output in a pipe."""
    bind = find_free_address()
    host, _, port = bind.rpartition(":")
    command = [sys.executable, "-m", "gunicorn", "--bind", bind, "--workers", "2"]
    options = ["--config", "python:tests.gateway.short_conf", "tests.gateway.stub:create_app()"]
    process = subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env={**os.environ, "TEST_LIMITS": json.dumps({"connections": 100, "drain_seconds": 0})}
        | variables,
        stdout=pipe,
        stderr=pipe,
    )
    front = Front(process, (host, int(port)), Path(os.devnull))
    try:
        wait_for(lambda: len(find_servers(front)) == 2, "two workers do not serve")
        yield front
    finally:
        left = [process.pid, *children(process.pid)]
        process.kill()
        for pid in left[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def find_servers(front: Front) -> set[int]:
    """The workers that some requests meet."""
    found = set()
    with suppress(OSError):
        for _ in range(20):
            found.add(front.get("/pid").json()["pid"])
        front.hang_up()
    return found


def fill(pipe: int) -> None:
    """Write until nothing more fits in."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x")
    os.set_blocking(pipe, True)


@pytest.mark.parametrize("metrics", [False, True])
def test_a_full_pipe_keeps_no_worker_from_being_replaced_nor_a_stop(metrics: bool) -> None:
    read, write = os.pipe()
    variables = {"METRICS_LISTEN": find_free_address()} if metrics else {}
    with writing_to(write, **variables) as front:
        before = find_servers(front)
        fill(write)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(find_servers(front) - before) == 2, "the killed are not replaced")
        front.process.send_signal(signal.SIGHUP)
        old = set(children(front.process.pid))
        wait_for(lambda: not old & set(children(front.process.pid)), "the old workers stay")
        front.process.terminate()
        assert front.process.wait(PATIENCE_SECONDS) == 0
    os.close(write)
    os.close(read)


def test_a_line_is_written_once_and_by_who_logged_it() -> None:
    read, write = os.pipe()
    with writing_to(write) as front:
        front.process.terminate()
        assert front.process.wait(PATIENCE_SECONDS) == 0
        os.close(write)
        with os.fdopen(read) as reader:
            lines = reader.read()
    for text, times in (("Listening at", 1), ("Booting worker", 2), ("Worker exiting", 2)):
        assert lines.count(text) == times, lines
    assert lines.count("Shutting down") == 1, lines


def test_a_worker_whose_folder_of_logs_is_gone_is_replaced(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    with gunicorn(tmp_path, environ={"LOG_DIR": str(logs)}) as front:
        first = front.get("/pid").json()["pid"]
        logs.rename(tmp_path / "old")
        logs.touch()
        os.kill(first, signal.SIGKILL)
        assert front.get("/pid").json()["pid"] != first
        said = "gateway: warning: log lines are lost until LOG_DIR can be used"
        wait_for(lambda: front.lines().count(said) == 1, "it does not say so")

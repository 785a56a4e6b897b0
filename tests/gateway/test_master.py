"""gunicorn's own process, which starts the workers and stops them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.server.handover import Board
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
        old = set(children(front.process.pid))
        front.process.send_signal(signal.SIGHUP)
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


BROKEN = """
import os

from tests.gateway.short_conf import *


class worker_class(Worker):
    def {method}(self):
        if os.path.exists({file!r}):
            raise {error}
        super().{method}()
"""


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("load_wsgi", "SystemExit('broken')"),
        ("load_wsgi", "RuntimeError('broken')"),
        ("run", "OSError('broken')"),
    ],
)
def test_old_workers_serve_until_new_ones_can(tmp_path: Path, method: str, error: str) -> None:
    file, conf = tmp_path / "broken", tmp_path / "broken.py"
    conf.write_text(BROKEN.format(method=method, file=str(file), error=error))
    with gunicorn(tmp_path, "--config", str(conf), workers=2) as front:
        wait_for(lambda: len(find_servers(front)) == 2, "two workers do not serve")
        old = find_servers(front)
        file.touch()
        began = time.monotonic()
        front.process.send_signal(signal.SIGHUP)
        wait_for(lambda: count_starts(front) >= 2 + 2 + 3, "no other is started")
        assert time.monotonic() - began > (0.1 + 0.2 + 0.4) / 2  # the pauses, two at a time
        assert find_servers(front) <= old
        file.unlink()
        wait_for(lambda: not old & find_servers(front), "the old ones stay")
        assert len(find_servers(front)) <= 2


def test_a_stop_waits_for_no_worker_that_cannot_start(tmp_path: Path) -> None:
    file, conf = tmp_path / "broken", tmp_path / "broken.py"
    conf.write_text(BROKEN.format(method="load_wsgi", file=str(file), error="RuntimeError"))
    options = ("--config", str(conf), "--graceful-timeout", "600")
    with gunicorn(tmp_path, *options, workers=2) as front:
        wait_for(lambda: len(find_servers(front)) == 2, "two workers do not serve")
        file.touch()
        front.process.send_signal(signal.SIGHUP)
        wait_for(lambda: count_starts(front) >= 2 + 2 + 1, "no other is started")
        front.process.terminate()
        assert front.process.wait(PATIENCE_SECONDS) == 0


def test_a_first_start_that_fails_ends_it(tmp_path: Path) -> None:
    file, conf = tmp_path / "broken", tmp_path / "broken.py"
    file.touch()
    conf.write_text(BROKEN.format(method="load_wsgi", file=str(file), error="RuntimeError"))
    with gunicorn(tmp_path, "--config", str(conf)) as front:
        assert front.process.wait(PATIENCE_SECONDS) == 3


def test_starts_that_fail_one_after_the_other_have_pauses_that_grow() -> None:
    board = Board()
    pauses = [board.count_failure() for _ in range(100)]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5
    board.mark_up(7)
    assert board.count_failure() == 0.1


def count_starts(front: Front) -> int:
    """How many workers have been started."""
    return front.lines().count("Booting worker")

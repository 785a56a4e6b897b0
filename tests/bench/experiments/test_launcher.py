"""Whatever the bench starts, it ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.experiments.launcher import (
    Contender,
    Process,
    end_processes,
    find_free_address,
    run_contender,
    run_contenders,
)
from bench.report.processes import find_descendants

SERVER = """
import http.server, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

# After its SIGTERM it waits until the other one has received one as well.
PATIENT = """
import pathlib, signal, sys, time
mine, other = map(pathlib.Path, sys.argv[1:])
def leave(*_):
    mine.with_suffix(".stopping").touch()
    while not other.with_suffix(".stopping").exists():
        time.sleep(0.01)
    mine.with_suffix(".ended").touch()
    raise SystemExit
signal.signal(signal.SIGTERM, leave)
mine.touch()
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_ends_with_its_children(tmp_path: Path) -> None:
    host, port = find_free_address()
    server = Process("server", (sys.executable, "-c", SERVER, str(port)))
    with run_contender(Contender("it", "", (server,), (host, port), "/"), tmp_path) as roots:
        pids = find_descendants(roots["server"])
        assert len(pids) == 2
        assert all(map(is_alive, pids))
    deadline = time.monotonic() + 20
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, pids))


def test_contenders_end_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "other"]
    contenders = [
        Contender(
            mine.name,
            "",
            (Process("patient", (sys.executable, "-c", PATIENT, str(mine), str(other))),),
        )
        for mine, other in (paths, paths[::-1])
    ]
    with run_contenders(contenders, tmp_path) as started:
        assert [list(roots) for roots in started] == [["patient"], ["patient"]]
        deadline = time.monotonic() + 20
        while not all(path.exists() for path in paths) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert all(path.with_suffix(".ended").exists() for path in paths)


def test_a_process_that_does_not_start_is_reported_with_its_log(tmp_path: Path) -> None:
    broken = Process("broken", (sys.executable, "-c", "raise SystemExit('no such luck')"))
    contender = Contender("it", "sqlite", (broken,), find_free_address(), "/")
    with (
        pytest.raises(RuntimeError, match=r"(?s)it on sqlite: ended: broken.*no such luck"),
        run_contender(contender, tmp_path),
    ):
        pass


def test_a_process_that_will_not_go_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.experiments.launcher.STOP_SECONDS", 0.3)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)"
    stubborn = subprocess.Popen(
        [sys.executable, "-uc", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert stubborn.stdout
    with stubborn.stdout as printed:
        printed.readline()
    end_processes([stubborn])
    assert stubborn.returncode == -signal.SIGKILL

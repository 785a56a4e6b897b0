"""What the bench starts, it ends; what it needs of the Procfile is there."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.experiments.contenders import (
    Contender,
    Process,
    end,
    free_address,
    gunicorn,
    procfile,
    running,
)
from bench.report.processes import Meter, descendants, usage

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


def alive(pid: int) -> bool:
    """Whether a process is there, and not merely waiting to be taken note of."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_was_started_ends_with_its_children(tmp_path: Path) -> None:
    host, port = free_address()
    server = Process("server", (sys.executable, "-c", SERVER, str(port)))
    with running(Contender("it", "", (server,), (host, port), "/"), tmp_path) as roots:
        pids = descendants(roots["server"])
        assert len(pids) == 2
        assert all(map(alive, pids))
    time.sleep(0.1)
    assert not any(map(alive, pids))


def test_what_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    broken = Process("broken", (sys.executable, "-c", "raise SystemExit('no such luck')"))
    contender = Contender("it", "sqlite", (broken,), free_address(), "/")
    with (
        pytest.raises(RuntimeError, match=r"(?s)it on sqlite: ended: broken.*no such luck"),
        running(contender, tmp_path),
    ):
        pass


def test_a_process_that_will_not_go_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.experiments.contenders.STOPPING", 0.3)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)"
    stubborn = subprocess.Popen(
        [sys.executable, "-uc", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert stubborn.stdout
    with stubborn.stdout as printed:
        printed.readline()
    end(stubborn)
    assert stubborn.returncode == -9


def test_cpu_time_is_that_of_a_process_and_its_children() -> None:
    work = "import time\nwhile time.process_time() < 0.2: pass\n"
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {work + 'input()'!r}])"
    code += f"\n{work}\nprint(1)\nimport time; time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-uc", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    with process.stdin, process.stdout as printed:
        printed.readline()
        until = time.monotonic() + 10
        while (used := usage(descendants(process.pid))).cpu < 0.3 and time.monotonic() < until:
            time.sleep(0.02)
        end(process)
    assert 0.3 <= used.cpu < 2
    assert used.rss > 5_000_000


def test_a_meter_counts_between_its_two_moments() -> None:
    meter = Meter({"this": os.getpid()})
    meter.begin()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    meter.end()
    assert 0.08 <= meter.cpu["this"] < 1


def test_another_application_runs_under_the_gateways_command_line() -> None:
    ours = shlex.split(procfile()["gateway"])
    other = shlex.split(gunicorn("bench.experiments.floors:create_app()", "127.0.0.1:1"))
    assert "--bind" in ours
    assert [(old, new) for old, new in zip(ours, other, strict=True) if old != new] == [
        ("${GATEWAY_BIND:-127.0.0.1:8080}", "127.0.0.1:1"),
        ("gateway:create_app()", "bench.experiments.floors:create_app()"),
    ]

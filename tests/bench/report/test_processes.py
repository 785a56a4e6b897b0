"""CPU time and memory of processes, read from /proc."""

import os
import subprocess
import sys
import time

from bench.experiments.launcher import end_processes
from bench.report.processes import Meter, find_descendants, sum_cpu_seconds, sum_pss_bytes


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
        until, pids, cpu = time.monotonic() + 10, [process.pid], 0.0
        while cpu < 0.3 and time.monotonic() < until:
            time.sleep(0.02)
            pids = find_descendants(process.pid)
            cpu = sum_cpu_seconds(pids)
        memory = sum_pss_bytes(pids)
        end_processes([process])
    assert 0.3 <= cpu < 2
    assert memory > 1_000_000


def test_a_meter_counts_between_its_two_moments() -> None:
    meter = Meter({"this": os.getpid()})
    meter.begin()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    meter.end()
    assert 0.08 <= meter.cpu["this"] < 1


def test_a_page_that_processes_share_counts_once() -> None:
    """A forked child shares nearly all of its parent's memory."""
    code = "import os, time; b = b'x' * 10**8; os.fork(); print(1, flush=True); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout
    with process.stdout as printed:
        printed.readline()
        printed.readline()
        memory = sum_pss_bytes(find_descendants(process.pid))
        end_processes([process])
    assert 100_000_000 < memory < 150_000_000


def test_a_process_that_is_gone_has_no_memory() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert sum_pss_bytes([process.pid]) == 0

"""CPU time and memory of processes with all their descendants, from /proc."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

PROC = Path("/proc")
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
KIBIBYTE = 1024


def find_descendants(root: int) -> list[int]:
    """Return a process and whatever it has started, directly or not."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _read_stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, ())
    return found


def _read_stat(pid: int) -> list[str]:
    """Return the fields of stat from the third on; nothing for a process that is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def sum_cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time that processes have used until now."""
    stats = [fields for fields in map(_read_stat, pids) if fields]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) * TICK_SECONDS


def sum_pss_bytes(pids: list[int]) -> int:
    """Return the proportional set size: a page that n processes share counts as 1/n in each."""
    return sum(map(_read_pss, pids))


def _read_pss(pid: int) -> int:
    """Return the PSS of a process in bytes; 0 where it is gone or belongs to another user."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * KIBIBYTE


def read_memory(roots: Mapping[str, int]) -> dict[str, int]:
    """Return the PSS in bytes of process trees, by name."""
    return {name: sum_pss_bytes(find_descendants(root)) for name, root in roots.items()}


def read_busy_seconds() -> float:
    """Return how long the cores were at work since the boot, for us or for other machines."""
    fields = (PROC / "stat").read_text().split(maxsplit=9)[1:9]
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(int, fields)
    return (user + nice + system + sum(interrupts_and_stolen)) * TICK_SECONDS


class Meter:
    """CPU time of named process trees, and of the machine, between two moments."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self.roots = roots
        self.cpu: dict[str, float] = {}  # seconds
        self.foreign = 0.0  # share of the machine's time that neither they nor we have used

    def begin(self) -> None:
        """Start counting."""
        self._pids = {name: find_descendants(root) for name, root in self.roots.items()}
        self._started = time.perf_counter(), time.process_time(), read_busy_seconds()
        self._before = {name: sum_cpu_seconds(pids) for name, pids in self._pids.items()}

    def end(self) -> None:
        """Stop counting; quick, for requests are still under way."""
        for name, pids in self._pids.items():
            self.cpu[name] = sum_cpu_seconds(pids) - self._before[name]
        started, own, busy = self._started
        elapsed = time.perf_counter() - started
        elsewhere = read_busy_seconds() - busy - (time.process_time() - own)
        unaccounted = max(elsewhere - sum(self.cpu.values()), 0.0)
        self.foreign = unaccounted / (elapsed * len(os.sched_getaffinity(0)))

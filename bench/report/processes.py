"""CPU time and memory of processes with all their descendants, from /proc."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """What a process and its descendants have used until now."""

    cpu: float  # seconds
    rss: int  # bytes; pages that processes share are counted in each


def descendants(root: int) -> list[int]:
    """A process and whatever it has started, and so on."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, ())
    return found


def _stat(pid: int) -> list[str]:
    """The fields of stat from the third on; nothing for a process that is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def usage(pids: list[int]) -> Usage:
    """The sum over processes."""
    every = [fields for fields in map(_stat, pids) if fields]
    ticks = sum(int(fields[11]) + int(fields[12]) for fields in every)
    return Usage(ticks * TICK, sum(int(fields[21]) for fields in every) * PAGE)


def busy() -> float:
    """Seconds for which the cores were at work since the start, for us or for other machines."""
    fields = (PROC / "stat").read_text().split(maxsplit=9)[1:9]
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(int, fields)
    return (user + nice + system + sum(interrupts_and_stolen)) * TICK


class Meter:
    """CPU time of named process trees, and of the machine, between two moments."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self.roots = roots
        self.cpu: dict[str, float] = {}  # seconds
        self.foreign = 0.0  # share of the machine's time that neither they nor we have used

    def begin(self) -> None:
        """From now on."""
        self._pids = {name: descendants(root) for name, root in self.roots.items()}
        self._start, self._busy = (time.perf_counter(), time.process_time()), busy()
        self._before = {name: usage(pids) for name, pids in self._pids.items()}

    def end(self) -> None:
        """Until now; quick, for requests are still under way."""
        for name, pids in self._pids.items():
            self.cpu[name] = usage(pids).cpu - self._before[name].cpu
        taken, own = time.perf_counter() - self._start[0], time.process_time() - self._start[1]
        elsewhere = busy() - self._busy - own - sum(self.cpu.values())
        self.foreign = max(elsewhere, 0.0) / (taken * len(os.sched_getaffinity(0)))


def resident(roots: Mapping[str, int]) -> dict[str, int]:
    """Bytes of memory by name."""
    return {name: usage(descendants(root)).rss for name, root in roots.items()}

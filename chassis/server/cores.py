"""A busy process keeps to one core.

The threads of a process share one interpreter lock, so one of them runs at a time. The system
spreads them over all cores, and each handover of the lock then wakes another core; docs/scaling.md
says what that costs. So a busy process runs on one core, the one that others use least: it looks
twice a second, moves when others take its core and leave another, and is free while it rests.
While it fills its core its threads that are not Python's, those of gRPC, may use all others.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chassis.background import BackgroundLoop

SECONDS = 0.5  # between two looks
# Shares of a core. A busy process uses as much itself, and one at rest no more.
BUSY, AT_REST = 0.25, 0.1
# So much less do others use of the core to which a process moves.
GAIN = 0.25
# A core is crowded when it is full, and a busy process gets hardly more than half of it.
FULL, HALF = 0.9, 0.55
# A process that uses so much fills its core, until it uses less. Where the gateway and the load
# fill the others, it uses 0.75, and 0.85 with threads on them.
FILLED, NOT_FILLED = 0.9, 0.88
TICK = os.sysconf("SC_CLK_TCK")
CORES = Path("/proc/stat")
THREADS = Path("/proc/self/task")


@dataclass(frozen=True)
class Look:
    """How long this process and each core have been busy until now, in seconds."""

    at: float
    own: float
    cores: Mapping[int, float]


def look() -> Look:
    """Return how busy this process and its machine are; raises OSError or ValueError if unknown."""
    cores = {}
    for line in CORES.read_text().splitlines():
        name, _, numbers = line.partition(" ")
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _idle, _iowait, *rest = map(int, numbers.split()[:8])
            cores[int(name.removeprefix("cpu"))] = (user + nice + system + sum(rest)) / TICK
    return Look(time.monotonic(), time.process_time(), cores)


def run_on(cores: Iterable[int], others: Iterable[int]) -> None:
    """Have Python's threads run on these cores, all others of this process on `others`.

    The others are gRPC's, and the one that writes the log, which seldom wants the lock.
    """
    own = {each.native_id for each in threading.enumerate()}
    for thread in THREADS.iterdir():
        number = int(thread.name)
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(number, cores if number in own else others)


def choose_core(
    kept: int | None, own: float, shares: Mapping[int, float], draw: Callable[[], float]
) -> int | None:
    """Return the core for a process on the core `kept`, or None for all of them.

    It uses the share `own` of a core, and all processes use `shares` of each. `draw` returns a
    number below 1: of several processes that see the same core free not all move there at once.
    """
    if own < (BUSY if kept is None else AT_REST):
        return None
    others = {core: share - own if core == kept else share for core, share in shares.items()}
    if kept is None:
        return min(others, key=lambda core: (round(others[core], 1), draw()))
    best = min(others.keys() - {kept}, key=lambda core: (round(others[core], 1), draw()))
    # Where two keep to one core, what keeps to none fills the others: none looks free, and there is
    # room all the same.
    is_crowded = shares[kept] > FULL and own < HALF
    is_better = others[kept] - others[best] > GAIN
    return best if (is_better or is_crowded) and draw() < 0.5 else kept


class CoreKeeper:
    """Chooses the core of this process, among those that it may use at its start."""

    def __init__(
        self,
        allowed: Iterable[int],
        look: Callable[[], Look] = look,
        run_on: Callable[[Iterable[int], Iterable[int]], None] = run_on,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.allowed = frozenset(allowed)
        self.kept: int | None = None
        self.is_filled = False  # the core that is kept, by this process
        self._look, self._run_on, self._draw = look, run_on, draw
        self._last = look()

    def choose(self) -> None:
        """Look again, and move if that is better."""
        now, before = self._look(), self._last
        self._last = now
        seconds = max(now.at - before.at, 0.001)
        shares = {
            core: (now.cores[core] - before.cores[core]) / seconds
            for core in self.allowed & now.cores.keys() & before.cores.keys()
        }
        own = (now.own - before.own) / seconds
        if len(shares) < 2:
            return
        was = self.kept if self.kept in shares else None
        self.kept = choose_core(was, own, shares, self._draw)
        is_filled = own > (NOT_FILLED if self.is_filled else FILLED)
        self.is_filled = is_filled and self.kept is not None
        if self.kept is not None:
            self._keep_to(self.kept)
        elif was is not None:
            self._run_on(self.allowed, self.allowed)

    def _keep_to(self, core: int) -> None:
        try:
            self._run_on({core}, self.allowed if self.is_filled else {core})
        except OSError:  # it was taken from this process, as a cluster's node may do
            self.allowed -= {core}
            self.kept, self.is_filled = None, False
            with suppress(OSError):  # no thread may be moved at all
                self._run_on(self.allowed, self.allowed)


def keep_to_one_core() -> BackgroundLoop | None:
    """Return the loop that does so, or None where there is one core or none can be chosen."""
    try:
        allowed = os.sched_getaffinity(0)
        keeper = CoreKeeper(allowed) if len(allowed) > 1 else None
    except (AttributeError, OSError, ValueError):  # no Linux, or one with another /proc
        return None
    return BackgroundLoop("cores", keeper.choose, SECONDS) if keeper else None

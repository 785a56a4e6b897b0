"""Starts processes by their commands, restarts those that die, and ends all of them with itself.

A process that ends with EX_CONFIG says that another start would not help, and is not started again.
All children are of one process group, whose leader is a shell that does nothing but wait: it reads
a pipe that only this process holds, so it ends the group also when this process is killed.
"""

import os
import select
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

MAX_RESTARTS = 5  # of one process within RESTART_WINDOW_SECONDS
RESTART_WINDOW_SECONDS = 60.0
RESTART_DELAY_SECONDS = 0.5
DRAIN_SECONDS = 15.0  # more than a service's own grace
POLL_SECONDS = 0.1
PRINT_SECONDS = 0.2  # that a line waits for who reads it
STANDARD_OUTPUT = 1
KEEPER = 'trap "" TERM INT HUP; read -r _; kill -s TERM 0; sleep 15; kill -s KILL 0'


def print_line(text: str) -> None:
    """Print a line at once, if anybody reads: the terminal may be gone, or a pipe that is full.

    It is of less than 4 KiB, for which there is room in a pipe that can be written to.
    """
    with suppress(OSError, ValueError):
        if select.select([], [STANDARD_OUTPUT], [], PRINT_SECONDS)[1]:
            print(text, flush=True)


@dataclass
class Child:
    """One process, and the shell command that becomes it."""

    name: str
    command: str
    process: subprocess.Popen[bytes] | None = None
    starts: deque[float] = field(default_factory=deque)

    def restarts(self) -> int:
        """Return how often it was started again within the window."""
        while self.starts and monotonic() - self.starts[0] > RESTART_WINDOW_SECONDS:
            self.starts.popleft()
        return len(self.starts)


class Supervisor:
    """Runs children until `stop` is set or one of them dies too often."""

    def __init__(
        self,
        commands: Mapping[str, str],
        environment: Mapping[str, str],
        say: Callable[[str], object] = print_line,
        warn: Callable[[str], object] = print_line,
    ) -> None:
        """`warn` reports a process that ended by itself, `say` every other start and end."""
        self.say, self.warn = say, warn
        self.children = [Child(name, command) for name, command in commands.items()]
        self.environment = dict(environment)
        self.stop = threading.Event()
        self.keeper = self._start_keeper(0)
        self.group = self.keeper.pid

    def run(self) -> int:
        """Return 0 after a stop, 1 after a process that would not stay up."""
        for child in self.children:
            self._start(child)
        try:
            while not self.stop.wait(POLL_SECONDS):
                if self.keeper.poll() is not None:
                    self.keeper.communicate()
                    self.keeper = self._start_keeper(self.group)
                for child in self.children:
                    if not self._revive(child):
                        return 1
            return 0
        finally:
            self._end()

    def _start_keeper(self, group: int) -> subprocess.Popen[bytes]:
        """Start what ends the group with this process; in a new group for 0.

        It holds no output: who reads that of the children sees its end when the last one ends.
        """
        return subprocess.Popen(
            ["sh", "-c", KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=group,
            env=self.environment,
        )

    def _start(self, child: Child) -> None:
        child.process = subprocess.Popen(
            ["sh", "-c", child.command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            process_group=self.group,
        )
        self.say(f"{child.name} started (pid={child.process.pid})")

    def _revive(self, child: Child) -> bool:
        """Start a child again when it has died; returns False when it died too often."""
        code = child.process.poll() if child.process else None
        if code is None:
            return True
        if code == os.EX_CONFIG:
            self.warn(f"{child.name} cannot run like this: stopping everything.")
            return False
        if child.restarts() >= MAX_RESTARTS:
            self.warn(
                f"{child.name} ended with {code}, {MAX_RESTARTS + 1} times within a minute:"
                " stopping everything. Its last lines say why."
            )
            return False
        child.starts.append(monotonic())
        self.warn(f"{child.name} ended with {code}; starting it again")
        if not self.stop.wait(RESTART_DELAY_SECONDS):
            self._start(child)
        return True

    def _end(self) -> None:
        """Ask every child to drain, and kill what does not."""
        alive = [child for child in self.children if child.process and child.process.poll() is None]
        for child in alive:
            assert child.process
            child.process.terminate()
        deadline = monotonic() + DRAIN_SECONDS
        for child in alive:
            assert child.process
            try:
                code = child.process.wait(max(0.0, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                self.warn(f"{child.name} did not drain within {DRAIN_SECONDS:g} s: killed")
                continue
            self.say(f"{child.name} stopped (rc={code})")
        os.killpg(self.group, signal.SIGKILL)  # the keeper, and what is left
        self.keeper.communicate()

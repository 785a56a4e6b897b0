"""Standard output that never makes its writer wait.

Under gevent one thread serves everybody, and a pipe that nobody reads would
stop it; it would stop gunicorn's own process too, which then replaces no worker
and heeds no signal. Lines go to a thread of the operating system through a
bounded queue; lines that find it full are dropped and counted.

This module is imported before gevent patches anything, and so uses what is native.
"""

import atexit
import logging
import os
import sys
from _queue import SimpleQueue
from _thread import start_new_thread
from time import sleep
from typing import Any

from chassis.telemetry import fill_standard_descriptors

MAX_LINES = 10_000
PAUSE_SECONDS = 0.02  # between two writes: lines of a busy time leave together
FLUSH_SECONDS = 2.0


class Output:
    """A text stream to a file descriptor, written by a thread of its own."""

    encoding = "utf-8"

    def __init__(self, fd: int, max_lines: int = MAX_LINES) -> None:
        self.fd = fd
        self._max_lines = max_lines
        self.begin()

    def begin(self) -> None:
        """Start with no lines, and a thread: a forked process has those of its parent, and none."""
        self.dropped = 0
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._closing = self._ended = False
        start_new_thread(self._run, ())

    def write(self, text: str) -> int:
        """Take a line, or count it as dropped."""
        if self._ended:
            _write(self.fd, text.encode(errors="backslashreplace"))
        elif self._closing or self._lines.qsize() >= self._max_lines:
            self.dropped += 1
        else:
            self._lines.put(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread is awaited only at the end."""

    def fileno(self) -> int:
        """The descriptor behind it."""
        return self.fd

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self.fd)

    def close(self) -> None:
        """Write the remaining lines, if anything reads them."""
        if self._closing:
            return
        self._closing = True
        self._lines.put(None)
        for _ in range(int(FLUSH_SECONDS / PAUSE_SECONDS)):
            if self._ended:
                return
            sleep(PAUSE_SECONDS)

    def _run(self) -> None:
        while not self._ended:
            lines = [self._lines.get()]
            if lines[0] is not None and not self._closing:
                sleep(PAUSE_SECONDS)
            lines += [self._lines.get() for _ in range(self._lines.qsize())]
            if self.dropped:
                lost, self.dropped = self.dropped, 0
                lines.append(
                    '{"service":"gateway","level":"warning",'
                    f'"event":"{lost} log lines dropped"}}\n'
                )
            text = "".join(line for line in lines if line is not None)
            _write(self.fd, text.encode(errors="backslashreplace"))
            self._ended = None in lines


def take_outputs(log: Any) -> None:
    """Have what this process and its children print, and log by gunicorn's logger, never wait."""
    fill_standard_descriptors()
    sys.stdout, sys.stderr = outputs = Output(1), Output(2)
    for output in outputs:
        atexit.register(output.close)
        os.register_at_fork(after_in_child=output.begin)
    for logger, output in zip((log.access_log, log.error_log), outputs, strict=True):
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.stream = output  # setStream would flush the old one: it may be closed


def _write(fd: int, data: bytes) -> None:
    """Write all of it; lines that cannot be written are lost, without any other effect."""
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        pass

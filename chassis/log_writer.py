"""Log lines, written by a thread of their own, so that no call ever waits for a disk or a pipe.

`_thread` and `_queue` are used as they are when this module is imported: gateway/worker.py imports
it before gevent patches anything, because a patched thread that blocks would stop the whole loop.
"""

import fcntl
import os
from _queue import Empty, SimpleQueue
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Protocol

MAX_LINES = 10_000  # waiting to be written; more are dropped and counted
MAX_FILE_BYTES = 10 * 1024 * 1024
KEPT_FILES = 5  # rotated ones, beside the one that is written
MAX_SLOTS = 64  # processes of one name that log into one folder
NO_FILE = -1
FLUSH_SECONDS = 2.0  # at a stop
BATCH_LINES = 500
# A process that writes so many lines in a pause writes them together at its end: to wake the thread
# for each line cost a busy service 4 to 10% of its time. Killed, it loses those of one pause.
PAUSE_SECONDS = 0.05
BUSY_LINES = 5


class Sink(Protocol):
    """Where lines go; raises OSError when they cannot."""

    def write(self, data: bytes) -> None: ...


class StreamSink:
    """A file descriptor, such as standard output."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write all of it; blocks while a pipe is full."""
        while data:
            data = data[os.write(self.descriptor, data) :]


class FolderSink:
    """A file in a folder for each process, rotated before it grows over `MAX_FILE_BYTES`.

    The first process of a name writes NAME.jsonl, others NAME-2.jsonl and so on; a lock on the file
    says that it is taken, and is dropped with the process. While there can be no file, each write
    tries again to make one.
    """

    def __init__(self, folder: Path, name: str, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.folder, self.name, self.max_bytes = folder, name, max_bytes
        self.descriptor = NO_FILE
        self.trouble: OSError | None = None  # for which there was no file at first
        try:
            self._claim()
        except OSError as error:
            self.trouble = error

    def _claim(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for slot in range(1, MAX_SLOTS + 1):
            suffix = "" if slot == 1 else f"-{slot}"
            path = self.folder / f"{self.name}{suffix}.jsonl"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            self.path, self.descriptor = path, descriptor
            self.size = os.fstat(descriptor).st_size
            return
        raise OSError(f"{MAX_SLOTS} processes log into {self.folder}")

    def write(self, data: bytes) -> None:
        """Append lines, in a new file when this one is full."""
        if self.descriptor == NO_FILE:
            self._claim()
        if self.size and self.size + len(data) > self.max_bytes:
            self._rotate()
        self.size += len(data)
        while data:
            data = data[os.write(self.descriptor, data) :]

    def _rotate(self) -> None:
        """Begin a new file; where none can be made the next call tries again."""
        if self._has_its_name():
            for age in range(KEPT_FILES - 1, 0, -1):
                older = self.path.with_suffix(f".{age}.jsonl")
                if older.exists():
                    older.replace(self.path.with_suffix(f".{age + 1}.jsonl"))
            self.path.replace(self.path.with_suffix(".1.jsonl"))
        full = self.descriptor
        self._claim()
        os.close(full)

    def _has_its_name(self) -> bool:
        """Return whether the file still has its name: it may have been removed or renamed."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.descriptor))
        except FileNotFoundError:
            return False


class LogWriter:
    """Takes lines without waiting, and writes them in a thread."""

    def __init__(
        self, sink: Sink, on_dropped: Callable[[int], str], max_lines: int = MAX_LINES
    ) -> None:
        """`on_dropped` makes the line that says how many are missing."""
        self.sink = sink
        self.dropped = 0  # lines that found the buffer full
        self.failed = 0  # lines that the sink refused
        self._on_dropped, self._max_lines = on_dropped, max_lines
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._reported = 0
        self._wakes = allocate_lock()  # free: a pause ends
        self._wakes.acquire()
        self._is_done = allocate_lock()
        self._is_done.acquire()
        start_new_thread(self._run, ())

    def write(self, line: str) -> None:
        """Take a line, or drop it when too many wait."""
        if self._lines.qsize() >= self._max_lines:
            self.dropped += 1
        else:
            self._lines.put(line)

    def write_at_once(self, line: str) -> None:
        """Take a line, and have it written with those before it, without a pause."""
        self.write(line)
        self._end_pause()

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write the waiting lines, for at most `seconds`."""
        self._lines.put(None)
        self._end_pause()
        if self._is_done.acquire(timeout=seconds):
            self._is_done.release()

    def _run(self) -> None:
        count, is_busy, until = 0, False, 0.0
        try:
            while written := self._write_batch():
                count += written
                if (now := monotonic()) >= until:
                    is_busy = count >= BUSY_LINES
                    count, until = 0, now + PAUSE_SECONDS
                if is_busy and written < BATCH_LINES:
                    self._wakes.acquire(timeout=PAUSE_SECONDS)
        finally:
            self._is_done.release()

    def _end_pause(self) -> None:
        with suppress(RuntimeError):  # it is free: others ended it a moment ago
            self._wakes.release()

    def _write_batch(self) -> int:
        """Write the lines that wait; returns how many, 0 after the last one."""
        batch = [self._lines.get()]
        try:
            while len(batch) < BATCH_LINES:
                batch.append(self._lines.get_nowait())
        except Empty:
            pass
        lines = [line for line in batch if line is not None]
        if (dropped := self.dropped) > self._reported:
            lines.append(self._on_dropped(dropped - self._reported))
            self._reported = dropped
        try:
            self.sink.write("".join(f"{line}\n" for line in lines).encode())
        except (OSError, ValueError):
            self.failed += len(lines)
        return 0 if None in batch else len(batch)

"""One structured log line per request; its fields are an allow-list.

Patient data has no field here, so it cannot be logged by mistake. Lines are JSON, on standard
output or in the files of a folder. A line that cannot be written is lost and counted; it never
breaks a call or makes it wait.
"""

import atexit
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

from chassis.log_writer import FolderSink, LogWriter, Sink, StreamSink

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
LOG_FIELDS = frozenset(
    "event level timestamp service address request_id account "  # noqa: SIM905 - a line for each
    "rpc method route status code reason replayed repeats ms error where database_error count "
    "event_id type attempt outcome trace_id".split()
)
# Shown in words on the terminal, besides warnings and errors, when lines go into files.
SHOWN_EVENTS = frozenset({"listening", "dispatching", "stopped"})

_writers: list[LogWriter] = []


class _Stream:
    """Writes each line at once, for tests and short commands."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self.stream.write(line + "\n")
            self.stream.flush()

    write_at_once = write


class Logger:
    """Writes each event with its fields, by `write(level, event)`."""

    def __init__(self, write: Callable[[str, dict[str, Any]], None]) -> None:
        self._write = write

    def info(self, event: str, **fields: Any) -> None:
        """Log what happens all the time."""
        self._write("info", {**fields, "event": event})

    def warning(self, event: str, **fields: Any) -> None:
        """Log what an operator may want to change."""
        self._write("warning", {**fields, "event": event})

    def error(self, event: str, **fields: Any) -> None:
        """Log what should not have happened."""
        self._write("error", {**fields, "event": event})


def configure(service: str, to: TextIO | None = None, folder: Path | None = None) -> None:
    """Log as JSON lines on standard output; or into files of `folder`; or at once `to` a stream.

    Where they go into files, the terminal shows the start, the stop, warnings and errors in words,
    and once that there can be no files: lines are lost, and counted, until there can be.
    """
    flush()
    fill_standard_descriptors()
    terminal = _open(StreamSink(STANDARD_ERROR), service) if folder else None
    sink = FolderSink(folder, service) if folder else StreamSink(STANDARD_OUTPUT)
    writer = _Stream(to) if to else _open(sink, service)

    def write(level: str, event: dict[str, Any]) -> None:
        if terminal and (level != "info" or event["event"] in SHOWN_EVENTS):
            terminal.write_at_once(_format_words(service, level, event))
        put = writer.write if level == "info" else writer.write_at_once
        put(_format_json(service, level, event))

    global _logger
    _logger = Logger(write)
    if isinstance(sink, FolderSink) and sink.trouble:
        _logger.warning("log lines are lost until LOG_DIR can be used", reason=str(sink.trouble))


def fill_standard_descriptors() -> None:
    """Open /dev/null in place of a closed standard stream, or a socket could get its number."""
    for number in (0, STANDARD_OUTPUT, STANDARD_ERROR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _open(sink: Sink, service: str) -> LogWriter:
    def describe_loss(count: int) -> str:
        return _format_json(service, "warning", {"event": "log lines dropped", "count": count})

    writer = LogWriter(sink, describe_loss)
    _writers.append(writer)
    return writer


def flush() -> None:
    """Write the lines that wait, for at most two seconds."""
    while _writers:
        _writers.pop().close()


atexit.register(flush)


def count_lost_lines() -> int:
    """Return how many lines this process could not write."""
    return sum(writer.dropped + writer.failed for writer in _writers)


def log() -> Logger:
    """The logger of this process."""
    return _logger


def describe(error: BaseException) -> dict[str, str]:
    """An unforeseen error for the log: its type and place, never its text.

    The text of a database error quotes the values that it failed on.
    """
    trace = error.__traceback__
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return {"error": type(error).__qualname__, "where": " < ".join(reversed(places[-6:]))}


def _format_json(service: str, level: str, event: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in event.items() if name in LOG_FIELDS}
    line = {"service": service, **kept, "level": level, "timestamp": datetime.now(UTC)}
    return msgspec.json.encode(line).decode()


def _format_words(service: str, level: str, event: Mapping[str, Any]) -> str:
    fields = [
        f"{name}={value}"
        for name, value in event.items()
        if name in LOG_FIELDS and name != "event" and value is not None
    ]
    tone = "" if level == "info" else f"{level}: "
    return f"{service}: {tone}{event.get('event')} {' '.join(fields)}".rstrip()


def _print_trouble(level: str, event: Mapping[str, Any]) -> None:
    if level != "info":
        print(_format_words("optigate", level, event), file=sys.stderr)


_logger = Logger(_print_trouble)  # until `configure`, which short commands do not call

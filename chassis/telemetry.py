"""Structured logging: JSON lines whose fields are an allow-list.

Personal data has no field here, so it cannot be logged by mistake.
"""

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOBase
from typing import Any, TextIO, cast

import msgspec
import structlog

_bound: structlog.typing.FilteringBoundLogger | None = None
LOG_FIELDS = frozenset(
    "event level timestamp service address request_id account "  # noqa: SIM905 - a line for each
    "rpc method route status code reason replayed ms error where "
    "event_id type attempt outcome".split()
)


class _Lines(TextIOBase):
    """A stream that drops lines it cannot write: logging never breaks a call."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            return self.stream.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()


def configure(service: str, to: TextIO | None = None) -> None:
    """Log JSON lines to standard output, or to the stream `to`."""

    def render(_logger: Any, level: str, event: structlog.typing.EventDict) -> str:
        kept = {name: value for name, value in event.items() if name in LOG_FIELDS}
        line = {"service": service, **kept, "level": level, "timestamp": datetime.now(UTC)}
        return msgspec.json.encode(line).decode()

    structlog.configure(
        processors=[render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Lines(to or sys.stdout))),
    )
    global _bound
    _bound = structlog.get_logger().bind()


def log() -> structlog.typing.FilteringBoundLogger:
    """The logger of this process."""
    logger: structlog.typing.FilteringBoundLogger = _bound or structlog.get_logger()
    return logger


def describe(error: BaseException) -> dict[str, str]:
    """Describe an unforeseen error for the log: its type and place, never its text.

    The text of a database error quotes the values that caused it.
    """
    trace = error.__traceback__
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return {"error": type(error).__qualname__, "where": " < ".join(reversed(places[-6:]))}

"""The lines that this process logs, as an operator would see them."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from chassis import telemetry

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def logged() -> Iterator[Lines]:
    """Gives a function that reads what was logged so far."""
    before, buffer = structlog.get_config(), io.StringIO()
    telemetry.configure("tests")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(buffer))
    try:
        yield lambda: [json.loads(line) for line in buffer.getvalue().splitlines()]
    finally:
        structlog.configure(**before)

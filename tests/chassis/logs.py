"""The lines that this process logs, as an operator would see them."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chassis import telemetry

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def capture_log() -> Iterator[Lines]:
    """Yield a function that reads what was logged so far."""
    buffer = io.StringIO()
    telemetry.configure("tests", buffer)
    try:
        yield lambda: [json.loads(line) for line in buffer.getvalue().splitlines()]
    finally:
        telemetry.configure("tests")

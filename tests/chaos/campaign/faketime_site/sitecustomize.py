"""Loaded by each Python under faketime: sleeps by `select`.

Debian's libfaketime 0.9.10, told to leave monotonic time alone, refuses the absolute sleep that
Python's own `time.sleep` asks for.
"""

import select
import time


def sleep(seconds: float, /) -> None:
    """Sleep, as `time.sleep` does."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    end = time.monotonic() + seconds
    select.select([], [], [], seconds)
    while (left := end - time.monotonic()) > 0:
        select.select([], [], [], left)


time.sleep = sleep  # type: ignore[assignment]

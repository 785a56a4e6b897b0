"""A clock that tests move, by Debian's faketime."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.chaos.campaign.servers import find_faketime

CACHE_SECONDS = 1  # for which a process may not notice that the clock was moved
SITE = Path(__file__).parent / "faketime_site"


@dataclass
class Clock:
    """The clock of the product's processes: the machine's, moved by what a file says."""

    path: Path
    moved: timedelta = timedelta()

    def __post_init__(self) -> None:
        self.path.write_text("+0\n")

    @property
    def environment(self) -> dict[str, str]:
        """The variables that put a process under it."""
        return {
            "LD_PRELOAD": find_faketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_CACHE_DURATION": str(CACHE_SECONDS),
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Its workaround for older glibc makes each look at a clock ten times as dear.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(SITE),
        }

    def move(self, by: timedelta) -> None:
        """Set it forward or back, and wait until every process has to notice."""
        self.moved += timedelta(seconds=round(by.total_seconds()))
        self.path.write_text(f"{self.moved.total_seconds():+.0f}\n")
        time.sleep(2 * CACHE_SECONDS)

    def now(self) -> datetime:
        """What it shows."""
        return datetime.now(UTC) + self.moved

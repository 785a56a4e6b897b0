"""What was acknowledged, what failed, and which answers of one key differed."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A write that was acknowledged, as it was sent and as it was answered."""

    kind: str  # orders, sessions, subscriptions or boxes
    key: str  # of idempotency; the id of the request too
    path: str
    body: Any
    answer: Any
    era: int  # keys are kept for a day: an entry of an earlier era is not repeated

    @property
    def boxes(self) -> int:
        """How many boxes it handed over."""
        return sum(each["quantity"] for each in self.body["deliveries"])


@dataclass
class Ledger:
    """Shared by all callers."""

    entries: list[Entry] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)  # by cause
    differing: list[str] = field(default_factory=list)  # two answers to one key
    repeats: int = 0
    era: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, entry: Entry) -> None:
        """Note a write."""
        with self.lock:
            self.entries.append(entry)

    def fail(self, cause: str) -> None:
        """Count a request without a useful answer."""
        with self.lock:
            self.failures[cause] += 1

    def compare(self, entry: Entry, answer: Any) -> None:
        """Compare the answer to a repeat with the first one."""
        with self.lock:
            self.repeats += 1
            if answer != entry.answer:
                self.differing.append(f"{entry.kind} {entry.key}: {entry.answer} then {answer}")

    def list_entries(self, *kinds: str) -> list[Entry]:
        """The entries of some kinds, oldest first."""
        return [entry for entry in list(self.entries) if entry.kind in kinds]

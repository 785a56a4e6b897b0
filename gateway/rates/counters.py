"""Counters in the memory of one worker.

Those of the limits library walk through all keys again and again, and keep any number of them; a
flood of random addresses would cost more than what it is kept from.
"""

from threading import Lock

MAX_KEYS = 20_000  # per policy: about 5 MB


class MemoryCounters:
    """Counts per key until the key's window ends; the oldest keys make room for new ones."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self.max_keys = max_keys
        self._lock = Lock()
        self._policies: dict[str, dict[str, tuple[int, float]]] = {}

    def increment(self, policy: str, key: str, now: float, end: float) -> int:
        """Count one for a key whose window ends at `end`; return the count."""
        with self._lock:
            counts = self._policies.setdefault(policy, {})
            found = counts.get(key)
            if found is None:
                self._make_room(counts, now)
                found = (0, end)
            count = found[0] + 1
            counts[key] = (count, found[1])
            return count

    def _make_room(self, counts: dict[str, tuple[int, float]], now: float) -> None:
        while counts:
            oldest = next(iter(counts))
            if len(counts) < self.max_keys and counts[oldest][1] > now:
                return
            del counts[oldest]

"""Counters in a Redis or Valkey, which all workers and gateways share.

A call to it takes at most 50 ms. When it is away, nothing is limited: the breaker stops the calls,
one probe a second looks whether it is back, and each change is logged once.
"""

from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from chassis.telemetry import log

CALL_SECONDS = 0.05
MAX_RUNNING_CALLS = 64
BREAKER_FAILURES = 3  # one after the other
PROBE_SECONDS = 1.0
AWAY = "The store of the rate limits does not answer; nothing is limited until it does."
BACK = "The store of the rate limits answers again."


class Breaker:
    """Stops calls after some failures in a row, and lets one probe a second through."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures = 0
        self._next_probe = 0.0
        self.is_open = False

    def admit(self) -> bool:
        """Return whether a call may be made now."""
        if not self.is_open:
            return True
        with self._lock:
            now = monotonic()
            if now < self._next_probe:
                return False
            self._next_probe = now + PROBE_SECONDS
            return True

    def record_success(self) -> None:
        """Close the breaker."""
        if not self._failures:
            return
        with self._lock:
            was_open = self.is_open
            self._failures, self.is_open = 0, False
        if was_open:
            log().warning(BACK)

    def record_failure(self) -> None:
        """Count a failure; too many in a row open the breaker."""
        with self._lock:
            self._failures += 1
            opens = not self.is_open and self._failures >= BREAKER_FAILURES
            if opens:
                self.is_open, self._next_probe = True, monotonic() + PROBE_SECONDS
        if opens:
            log().warning(AWAY)


class SharedCounters:
    """Counts per key in a store at a URL."""

    def __init__(self, url: str) -> None:
        self.breaker = Breaker()
        self.running = 0  # calls, those that nobody waits for any longer included
        self._counting = Lock()
        self._storage = _open_storage(url)

    def increment(self, policy: str, key: str, now: float, end: float) -> int | None:
        """Count one for a key whose window ends at `end`; return the count, None if unknown."""
        if not self.breaker.admit():
            return None
        seconds = int(end - now) + 1
        count = self._call(lambda: self._storage.incr(f"{policy}/{key}", seconds))
        if count is None:
            self.breaker.record_failure()
        else:
            self.breaker.record_success()
        return count

    def _call(self, ask: Callable[[], int]) -> int | None:
        """Return the answer, or None without one in time.

        Timeouts of sockets bound each of several steps and no name's resolution, so a thread (in
        the worker, a greenlet) makes the call, and is left behind when it takes too long.
        """
        with self._counting:
            if self.running >= MAX_RUNNING_CALLS:
                return None
            self.running += 1
        answers: list[int] = []
        done = Event()

        def run() -> None:
            try:
                answers.append(ask())
            except Exception:  # noqa: BLE001  # nosec B110 - whatever fails, nothing is limited
                pass
            finally:
                with self._counting:
                    self.running -= 1
                done.set()

        Thread(target=run, name="rates", daemon=True).start()
        done.wait(CALL_SECONDS)
        return answers[0] if answers else None


def name_redis(url: str) -> str:
    """Return the URL of a Valkey as that of a Redis, whose protocol it speaks."""
    return f"redis{url.removeprefix('valkey')}" if url.startswith("valkey") else url


def _open_storage(url: str) -> Any:
    """Return the storage; it connects at its first call. Without the extra, ends the process."""
    try:
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise SystemExit(
            "GATEWAY_LIMIT_STORE needs the client of Redis: pip install 'limits[redis]'."
        ) from None
    from limits.storage import storage_from_string

    return storage_from_string(
        name_redis(url),
        key_prefix="optigate",
        socket_timeout=CALL_SECONDS,
        socket_connect_timeout=CALL_SECONDS,
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # passed on to the client
        max_connections=MAX_RUNNING_CALLS,
    )

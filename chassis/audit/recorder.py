"""Writes the entries of calls: a change's in its transaction, those of reads in batches.

A killed process loses the reads and refusals of its last second, never the entry of a change.
"""

import threading
from collections import deque
from typing import Any

from chassis.audit.trail import OK, REPLAYED, Trail, describe_call
from chassis.background import BackgroundLoop
from chassis.context import Call
from chassis.errors import Refusal
from chassis.store.database import Database
from chassis.telemetry import describe, log

FLUSH_SECONDS = 0.5
MAX_BUFFERED_ENTRIES = 20_000  # while the store cannot be written; beyond this they are counted
BATCH_ENTRIES = 500  # in one transaction


class Recorder:
    """Records the calls of one process."""

    def __init__(
        self,
        database: Database,
        trail: Trail,
        *,
        seconds: float = FLUSH_SECONDS,
        max_entries: int = MAX_BUFFERED_ENTRIES,
    ) -> None:
        self.database = database
        self.trail = trail
        self.max_entries = max_entries
        self.dropped = 0  # entries that found the buffer full
        self._reported = 0
        self._buffer: deque[dict[str, Any]] = deque()
        self._flushing = threading.Lock()
        self._loop = BackgroundLoop("audit", self.flush, seconds)

    def start(self) -> None:
        """Record each change in its transaction, and start the thread that writes the rest."""
        self.database.before_commit = self.trail.record_change
        self._loop.start()

    def stop(self) -> None:
        """Write what is buffered; the server no longer takes calls. What fails is lost."""
        self._loop.stop()
        try:
            while self.flush():
                pass
        except Refusal:
            pass
        except Exception as error:  # noqa: BLE001 - the process ends all the same
            log().error("audit failed", **describe(error))
        self.dropped += len(self._buffer)
        self._buffer.clear()
        self._report_dropped()

    def end_call(self, call: Call, reason: str | None) -> None:
        """Buffer the entry of a call that ended, refused for a `reason` or not.

        It has none if its change has written it, if it showed no row of anybody's, or if it was
        refused to a stranger.
        """
        if reason is not None:
            if call.account is not None:
                self._put(describe_call(call, reason))
        elif call.replayed:
            self._put(describe_call(call, REPLAYED))
        elif call.ids and not call.is_audited:
            self._put(describe_call(call, OK))

    def flush(self) -> bool:
        """Write a batch; returns whether there is more. What cannot be written stays buffered."""
        with self._flushing:
            self._report_dropped()
            batch = [self._buffer[at] for at in range(min(len(self._buffer), BATCH_ENTRIES))]
            if batch:
                with self.database.write() as tx:
                    self.trail.add(tx, *batch)
                for _ in batch:
                    self._buffer.popleft()
        return bool(self._buffer)

    def _put(self, entry: dict[str, Any]) -> None:
        if len(self._buffer) >= self.max_entries:
            self.dropped += 1
        else:
            self._buffer.append(entry)

    def _report_dropped(self) -> None:
        if self.dropped > self._reported:
            log().error("audit entries dropped", count=self.dropped - self._reported)
            self._reported = self.dropped

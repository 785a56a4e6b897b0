"""Keeps callers whose request message does not come from holding up the others.

grpcio waits for the message of a call inside the server's thread pool, without a bound: four calls
whose message never came stopped a service. So RPCs are registered as client-streaming ones (the
same bytes on the wire), and `receive` takes their one message. A call without it is cancelled after
`MESSAGE_SECONDS`. Until then another thread takes the place of the one that it holds, and where too
many calls are silent the oldest of them end at once. A call that is merely late, as all are after a
process was stopped for a moment, loses nothing by that.
"""

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

import grpc

from chassis.background import BackgroundLoop
from chassis.server.pool import CallPool

MESSAGE_SECONDS = 5.0
SILENT_SECONDS = 0.1  # after which a thread that waits for a message is replaced
MAX_SILENT = 64  # calls of one pool; and so many threads more, at most
SCAN_SECONDS = 0.25


class _Wait(NamedTuple):
    """What a call waits for."""

    since: float
    seconds: float
    pool: CallPool | None  # whose thread waits for the message


class Watchdog:
    """Cancels the calls that it watches when their time is up."""

    def __init__(self, pools: Sequence[CallPool] = (), scan_seconds: float = SCAN_SECONDS) -> None:
        """`pools` are those whose calls it receives messages for."""
        self._pools = pools
        self._waits: dict[grpc.ServicerContext, _Wait] = {}
        self._loop = BackgroundLoop("watchdog", self._scan, scan_seconds)

    def start(self) -> None:
        """Start the thread that cancels calls."""
        self._loop.start()

    def stop(self) -> None:
        """Stop watching."""
        self._loop.stop()

    def watch(self, context: grpc.ServicerContext, seconds: float) -> None:
        """Cancel a call after `seconds`, unless it is released before."""
        self._waits[context] = _Wait(monotonic(), seconds, None)

    def release(self, context: grpc.ServicerContext) -> None:
        """The call may go on."""
        self._waits.pop(context, None)

    def receive(
        self, requests: Iterator[Any], context: grpc.ServicerContext, pool: CallPool
    ) -> Any | None:
        """Return the message of a call in a thread of `pool`, or None if it has none.

        Raises what grpcio raises where the call is cancelled in the meantime.
        """
        self._waits[context] = _Wait(monotonic(), MESSAGE_SECONDS, pool)
        try:
            return next(requests, None)
        finally:
            self.release(context)

    def _scan(self) -> None:
        now = monotonic()
        for context, wait in list(self._waits.items()):
            if wait.since + wait.seconds <= now:
                self._cancel(context)
        for pool in self._pools:
            self._make_room(pool, now - SILENT_SECONDS)

    def _make_room(self, pool: CallPool, before: float) -> None:
        """Replace the threads that silent calls of a pool hold; end the oldest of too many.

        Twice as many threads as are held: the next to get one may be silent, too.
        """
        waits = list(self._waits.items())
        silent = [each for each, wait in waits if wait.pool is pool and wait.since <= before]
        if len(silent) > MAX_SILENT:
            for context in silent[: len(silent) - MAX_SILENT + pool.count_waiting()]:
                self._cancel(context)
        pool.silent = len(silent)
        pool.lend(min(2 * len(silent), MAX_SILENT))

    def _cancel(self, context: grpc.ServicerContext) -> None:
        self.release(context)
        context.cancel()

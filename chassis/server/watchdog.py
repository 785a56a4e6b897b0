"""Keeps callers whose request message does not come from holding up the others.

grpcio waits for the message of a call inside the server's thread pool, without a bound: four calls
whose message never came stopped a service. So RPCs are registered as client-streaming ones (the
same bytes on the wire), and `chassis.server.arrivals` waits for their one message without a thread,
or `receive` with one. A call without it is cancelled after `MESSAGE_SECONDS`. Until then another
thread takes the place of one that it holds, and where too many calls are silent the oldest of them
end at once. A call that is merely late, as all are after a process was stopped for a moment, loses
nothing by that.
"""

from collections.abc import Iterator, Sequence
from math import inf
from time import monotonic
from typing import Any, NamedTuple, Protocol

import grpc

from chassis.background import BackgroundLoop
from chassis.server.pool import CallPool

MESSAGE_SECONDS = 5.0
SILENT_SECONDS = 0.1  # after which a thread that waits for a message is replaced
MAX_SILENT = 64  # calls of one pool; and so many threads more, at most
SCAN_SECONDS = 0.25


class Cancellable(Protocol):
    """A call, or its context."""

    def cancel(self) -> object: ...


class _Wait(NamedTuple):
    """What a call waits for."""

    since: float
    seconds: float
    pool: CallPool | None  # that is to serve it when its message has come
    holds_thread: bool = False


class Watchdog:
    """Cancels the calls that it watches when their time is up."""

    def __init__(self, pools: Sequence[CallPool] = (), scan_seconds: float = SCAN_SECONDS) -> None:
        """`pools` are those whose calls it receives messages for."""
        self._pools = pools
        self._waits: dict[Cancellable, _Wait] = {}
        self._scan_seconds, self._scanned = scan_seconds, monotonic()
        self._loop = BackgroundLoop("watchdog", self._scan, scan_seconds)

    def start(self) -> None:
        """Start the thread that cancels calls."""
        self._loop.start()

    def stop(self) -> None:
        """Stop watching."""
        self._loop.stop()

    def watch(self, call: Cancellable, seconds: float) -> None:
        """Cancel a call after `seconds`, unless it is released before."""
        self._waits[call] = _Wait(monotonic(), seconds, None)

    def watch_message(self, call: Cancellable, pool: CallPool) -> None:
        """Cancel a call of `pool`, which holds no thread, unless it is released in time."""
        self._waits[call] = _Wait(monotonic(), MESSAGE_SECONDS, pool)

    def release(self, call: Cancellable) -> None:
        """The call may go on."""
        self._waits.pop(call, None)

    def receive(
        self, requests: Iterator[Any], context: grpc.ServicerContext, pool: CallPool
    ) -> Any | None:
        """Return the message of a call in a thread of `pool`, or None if it has none.

        Raises what grpcio raises where the call is cancelled in the meantime.
        """
        self._waits[context] = _Wait(monotonic(), MESSAGE_SECONDS, pool, holds_thread=True)
        try:
            return next(requests, None)
        finally:
            self.release(context)

    def _scan(self) -> None:
        now = monotonic()
        was_stopped = now - self._scanned > 2 * self._scan_seconds + SILENT_SECONDS
        # The next look counts, however late it comes.
        self._scanned = inf if was_stopped else now
        if was_stopped:  # the whole process: what has come meanwhile is not read yet
            return
        for call, wait in list(self._waits.items()):
            if wait.since + wait.seconds <= now:
                self._cancel(call)
        for pool in self._pools:
            self._make_room(pool, now - SILENT_SECONDS)

    def _make_room(self, pool: CallPool, before: float) -> None:
        """Replace the threads that silent calls of a pool hold; end the oldest of too many.

        Twice as many threads as are held: the next to get one may be silent, too.
        """
        waits = list(self._waits.items())
        silent = {call: wait for call, wait in waits if wait.pool is pool and wait.since <= before}
        held = sum(wait.holds_thread for wait in silent.values())
        if len(silent) > MAX_SILENT:
            waiting = pool.count_waiting() if held else 0  # for a thread
            for call in list(silent)[: len(silent) - MAX_SILENT + waiting]:
                self._cancel(call)
        pool.silent = len(silent)
        pool.lend(min(2 * held, MAX_SILENT))

    def _cancel(self, call: Cancellable) -> None:
        self.release(call)
        call.cancel()

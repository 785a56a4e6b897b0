"""Cancels calls whose request message does not arrive in time.

grpcio waits for the message of a call inside the server's thread pool, without a bound: four calls
whose message never came stopped a service. So RPCs are registered as client-streaming ones (the
same bytes on the wire), and a call without its message is cancelled after `MESSAGE_SECONDS`.
"""

from time import monotonic

import grpc

from chassis.background import BackgroundLoop

MESSAGE_SECONDS = 5.0
SCAN_SECONDS = 1.0


class Watchdog:
    """Cancels the calls that it watches when their time is up."""

    def __init__(self, scan_seconds: float = SCAN_SECONDS) -> None:
        self._deadlines: dict[grpc.ServicerContext, float] = {}
        self._loop = BackgroundLoop("watchdog", self._scan, scan_seconds)

    def start(self) -> None:
        """Start the thread that cancels calls."""
        self._loop.start()

    def stop(self) -> None:
        """Stop watching."""
        self._loop.stop()

    def watch(self, context: grpc.ServicerContext, seconds: float) -> None:
        """Cancel a call after `seconds`, unless it is released before."""
        self._deadlines[context] = monotonic() + seconds

    def release(self, context: grpc.ServicerContext) -> None:
        """The call may go on."""
        self._deadlines.pop(context, None)

    def _scan(self) -> None:
        now = monotonic()
        for context, deadline in list(self._deadlines.items()):
            if deadline <= now:
                self.release(context)
                context.cancel()

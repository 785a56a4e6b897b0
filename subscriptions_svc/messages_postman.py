"""The thread that sends messages to shoppers, outside of any transaction."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from chassis.context import utc_now
from chassis.errors import Refusal
from chassis.store.database import Database
from chassis.telemetry import describe, log
from subscriptions_svc import messages
from subscriptions_svc.messages_ends import End, Undeliverable

LOOK = 0.5  # seconds between two looks


class Postman:
    """Sends what is due, until it is stopped; any number of them may share a store."""

    def __init__(
        self,
        database: Database,
        ends: Mapping[str, End],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.database = database
        self.ends = ends
        self.now = now
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postman", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the message at hand, and no other."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK):
            try:
                while not self._stopped.is_set() and self.send_one():
                    pass
            except Refusal as refusal:  # the store is busy or away
                log().warning("messages wait", reason=refusal.reason)
            except Exception as error:  # noqa: BLE001 - the thread outlives it
                log().error("messages wait", **describe(error))

    def send_one(self) -> bool:
        """Send the message that has waited longest; False when none is due."""
        with self.database.read() as tx:
            if not messages.any_due(tx, self.now()):
                return False
        with self.database.write() as tx:
            taken = messages.take(tx, self.now())
        if taken is None:
            return False
        try:
            self.ends[taken.channel].send(messages.message(taken))
        except Exception as error:  # noqa: BLE001 - whatever it was, it was not sent
            lasting = isinstance(error, Undeliverable)
            log().warning("message not sent", method=taken.channel, **describe(error))
            with self.database.write() as tx:
                messages.failed(tx, taken, self.now(), lasting=lasting)
        else:
            log().info("message sent", method=taken.channel)
            with self.database.write() as tx:
                messages.sent(tx, taken, self.now())
        return True

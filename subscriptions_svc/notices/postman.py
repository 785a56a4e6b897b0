"""The thread that sends messages to shoppers, outside of any transaction."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from chassis.context import utc_now
from chassis.errors import Refusal
from chassis.store.database import Database
from chassis.telemetry import describe, log
from subscriptions_svc.notices.channels import Channel
from subscriptions_svc.notices.messages import Undeliverable, build_message
from subscriptions_svc.store import messages

POLL_SECONDS = 0.5


class Postman:
    """Sends what is due, until it is stopped; any number of them may share a store."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.database = database
        self.channels = channels
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
        while not self._stopped.wait(POLL_SECONDS):
            try:
                while not self._stopped.is_set() and self.send_one():
                    pass
            except Refusal as refusal:  # the store is busy or away
                log().warning("messages wait", reason=refusal.reason)
            except Exception as error:  # noqa: BLE001 - the thread outlives it
                log().error("messages wait", **describe(error))

    def send_one(self) -> bool:
        """Send the message that has waited longest; returns False when none is due."""
        with self.database.read() as tx:
            if not messages.has_due(tx, self.now()):
                return False
        with self.database.write() as tx:
            leased = messages.lease_message(tx, self.now())
        if leased is None:
            return False
        try:
            self.channels[leased.channel].send(build_message(leased))
        except Exception as error:  # noqa: BLE001 - whatever it was, the message was not sent
            lasting = isinstance(error, Undeliverable)
            log().warning("message not sent", method=leased.channel, **describe(error))
            with self.database.write() as tx:
                messages.record_failure(tx, leased, self.now(), lasting=lasting)
        else:
            log().info("message sent", method=leased.channel)
            with self.database.write() as tx:
                messages.record_sent(tx, leased, self.now())
        return True

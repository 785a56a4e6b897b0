"""The sending of queued messages, outside of any transaction."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Row

from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.notices.channels import Channel
from chassis.notices.messages import Undeliverable, build_message
from chassis.notices.queue import MessageQueue
from chassis.store.conflicts import perform
from chassis.store.database import Database
from chassis.telemetry import describe, log

POLL_SECONDS = 0.5


class Postman:
    """Sends messages that are due; any number of postmen may share a store."""

    def __init__(
        self,
        database: Database,
        queue: MessageQueue,
        channels: Mapping[str, Channel],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.database = database
        self.queue = queue
        self.channels = channels
        self.now = now

    def create_loop(self, seconds: float = POLL_SECONDS) -> BackgroundLoop:
        """Return a loop that sends what is due, one message after the other."""
        return BackgroundLoop("send messages", self.send_one, seconds)

    def send_one(self) -> bool:
        """Send the message that has waited longest; returns False when none is due."""
        with self.database.read() as tx:
            if not self.queue.has_due(tx, self.now()):
                return False
        leased = perform(self.database, lambda tx: self.queue.lease(tx, self.now()))
        if leased is None:
            return False
        try:
            self.channels[leased.channel].send(build_message(leased))
        except Exception as error:  # noqa: BLE001 - whatever it was, the message was not sent
            lasting = isinstance(error, Undeliverable)
            log().warning("message not sent", method=leased.channel, **describe(error))
            self._record(partial(self.queue.record_failure, lasting=lasting), leased)
        else:
            log().info("message sent", method=leased.channel)
            self._record(self.queue.record_sent, leased)
        return True

    def _record(self, record: Callable[..., object], leased: Row[Any]) -> None:
        perform(self.database, lambda tx: record(tx, leased, self.now()))

"""The dispatcher: a thread that delivers the events of an outbox, at least once each.

It leases what is due, commits, delivers outside of any transaction, and records
the outcome. When it dies in between, the lease runs out and another one
delivers the event again under the same id. Any number of dispatchers may work on
one PostgreSQL store.

    answer                    outcome
    2xx                       delivered
    501 Not Implemented       declined: the endpoint does not want this type
    410 Gone                  cancelled, and the endpoint is disabled
    anything else, or none    retried 10 times over a day and a half, then dead
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import Row

from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.errors import Refusal
from chassis.events.courier import AttemptResult, Courier, Delivery
from chassis.events.outbox import CANCELLED, DEAD, DECLINED, DELIVERED, PENDING, Outbox
from chassis.store.database import Database
from chassis.store.leases import Backoff
from chassis.telemetry import describe, log

POLL_SECONDS = 1.0  # seconds; for events of other processes, leases that ran out, and retries
LEASE = timedelta(seconds=60)  # far more than an attempt takes
MAX_RETRIES = 10
BACKOFF = Backoff(first=timedelta(seconds=10), longest=timedelta(hours=12), factor=3)
MAX_DELIVERIES, MAX_DELIVERIES_PER_OWNER = (
    16,
    4,
)  # deliveries: an endpoint that hangs leaves room for the others


class Dispatcher:
    """Delivers the events in one service's database."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        courier: Courier,
        now: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.database = database
        self.outbox = outbox
        self.courier = courier
        self.now = now
        self.chance = chance
        self._pool = ThreadPoolExecutor(MAX_DELIVERIES, thread_name_prefix="delivery")
        self._changes = threading.Condition()
        self._at_work: dict[Future[None], str] = {}
        self._loop = BackgroundLoop(
            "dispatcher", self.dispatch_due, POLL_SECONDS, wakeup=database.wakeup
        )

    def start(self) -> None:
        """Deliver from now on."""
        self._loop.start()

    def stop(self) -> None:
        """Lease no more, and wait for the deliveries at work: some seconds at most."""
        self._loop.stop()
        self._pool.shutdown()

    def dispatch_due(self) -> int:
        """Begin to deliver what is due, as far as there is room; gives how many."""
        now, begun = self.now(), 0
        with self.database.read() as tx:
            owners = self.outbox.owners_due(tx, now)
        random.shuffle(owners)
        for owner in owners:
            room = self._room(owner)
            if room <= 0:
                continue
            with self.database.write() as tx:
                endpoint = self.outbox.endpoints.find(tx, owner)
                if endpoint is None or endpoint.disabled_at:
                    continue
                leased = self.outbox.lease(tx, owner, room, now, LEASE)
            for event in leased:
                self._submit(endpoint, event)
            begun += len(leased)
        return begun

    def wait_until_idle(self) -> None:
        """Wait for the deliveries that were begun."""
        with self._changes:
            self._changes.wait_for(lambda: not self._at_work)

    def _room(self, owner: str) -> int:
        with self._changes:
            busy = Counter(self._at_work.values())
        return min(MAX_DELIVERIES - busy.total(), MAX_DELIVERIES_PER_OWNER - busy[owner])

    def _submit(self, endpoint: Row[Any], event: Row[Any]) -> None:
        with self._changes:
            work = self._pool.submit(self._deliver, endpoint, event)
            self._at_work[work] = event.owner
        work.add_done_callback(self._done)

    def _done(self, work: Future[None]) -> None:
        with self._changes:
            del self._at_work[work]
            self._changes.notify_all()
        self.database.wakeup.set()  # there is room, and the next of its stream may be due

    def _deliver(self, endpoint: Row[Any], event: Row[Any]) -> None:
        began = monotonic()
        line = {
            "event_id": event.id,
            "type": event.type,
            "account": event.owner,
            "attempt": event.attempts,
        }
        try:
            answer = self._answer(endpoint, event)
            line |= {"status": answer.status, "reason": answer.error}
            line["outcome"] = self._record(endpoint, event, answer)
        except Refusal as refusal:
            line |= {"outcome": "not recorded", "reason": refusal.reason}
        except Exception as error:  # noqa: BLE001 - it is delivered again when the lease runs out
            line |= {"outcome": "not recorded", **describe(error)}
        log().info("delivery", ms=round((monotonic() - began) * 1000, 1), **line)

    def _answer(self, endpoint: Row[Any], event: Row[Any]) -> AttemptResult:
        parcel = Delivery(
            url=endpoint.url,
            headers=endpoint.headers,
            secret=endpoint.secret,
            event_id=event.id,
            content_type=event.content_type,
            body=event.body.encode(),
        )
        try:
            return self.courier.deliver(parcel, self.now())
        except Exception as error:  # noqa: BLE001 - a failure like another, so that it ends
            log().error("delivery", event_id=event.id, **describe(error))
            return AttemptResult(None, "error")

    def _record(self, endpoint: Row[Any], event: Row[Any], answer: AttemptResult) -> str:
        """Write what became of it; gives the outcome in a word."""
        now = self.now()
        with self.database.write() as tx:
            current = self.outbox.endpoints.find(tx, event.owner)
            gone = answer.status == 410 and current is not None and current.url == endpoint.url
            state = CANCELLED if gone else state_after(answer, event.attempts)
            values: dict[str, Any] = {
                "state": state,
                "last_status": answer.status,
                "last_error": answer.error,
            }
            if state == PENDING:
                values["due_at"] = now + BACKOFF.delay(event.attempts, self.chance())
            else:
                values["ended_at"] = now
            if gone:  # the endpoint first: of two that hear 410, one waits for the other here
                self.outbox.endpoints.disable(tx, event.owner, endpoint.url, now)
            held = self.outbox.settle(tx, event, values)
        if not held:
            return "lease lost"
        return "retry" if state == PENDING else state


def state_after(answer: AttemptResult, attempts: int) -> str:
    """The state of an event after an attempt, which was one of so many."""
    if answer.error is None:
        return DELIVERED
    if answer.status == 501:
        return DECLINED
    return PENDING if attempts <= MAX_RETRIES else DEAD

"""The dispatcher: a background loop that delivers the events of an outbox, at least once each.

It leases due events, commits, makes the attempts outside any transaction and
records their results. If it dies in between, the lease expires and another
dispatcher delivers the event again under the same id. Any number of dispatchers
may work on one PostgreSQL store.

    result of an attempt      state of the event
    2xx                       delivered
    501 Not Implemented       declined: the endpoint does not want this type
    410 Gone                  cancelled, and the endpoint is disabled
    none, withdrawn           cancelled: the service no longer wants it delivered
    501, 410 of a carrier     as anything else: nobody declines what the service owes
    anything else, or none    pending: 10 retries over a day and a half, then dead; a
                              Retry-After of the receiver puts the next one off, 12 hours at most
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.errors import Refusal
from chassis.events.carriers import WITHDRAWN, Carrier
from chassis.events.courier import AttemptResult, Courier, Delivery
from chassis.events.formats import format_body
from chassis.events.lanes import Lane
from chassis.events.outbox import Event, Outbox
from chassis.events.states import CANCELLED, DEAD, DECLINED, DELIVERED, PENDING
from chassis.spans.recording import CLIENT, get_recorder
from chassis.store.conflicts import perform
from chassis.store.database import Database
from chassis.store.leases import Backoff
from chassis.telemetry import describe, log

if TYPE_CHECKING:
    from chassis.spans.recorder import Span

POLL_SECONDS = 1.0  # for events of other processes, expired leases and retries
LEASE_TIME = timedelta(seconds=60)  # far longer than an attempt takes
MAX_RETRIES = 10
BACKOFF = Backoff(first=timedelta(seconds=10), longest=timedelta(hours=12), factor=3)
RETRY, LEASE_LOST, NOT_RECORDED = "retry", "lease lost", "not recorded"
# Of an attempt: the state that the event has then, or why it has no other.
OUTCOMES = (DELIVERED, DECLINED, CANCELLED, DEAD, RETRY, LEASE_LOST, NOT_RECORDED)


class Dispatcher:
    """Delivers the events in a service's database."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        courier: Courier,
        now: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] | None = None,
        carrier: Carrier | None = None,
        observe: Callable[[str, float], None] | None = None,
    ) -> None:
        """`observe` hears of each attempt: its outcome, as in the log, and its seconds."""
        self.database = database
        self.outbox = outbox
        self.courier = courier
        self.carrier = carrier
        self.now = now
        self.observe = observe
        # Of its own: a generator that the whole process shares may be seeded, or watched.
        self._random = Random()  # nosec B311  # jitter and order, no secret
        self.chance = chance or self._random.random
        self._lane = Lane("delivery")
        self._carrier_lane = Lane("carrier")  # a thread starts when it is needed
        self._loop = BackgroundLoop(
            "dispatcher", self.dispatch_due, POLL_SECONDS, wakeup=database.wakeup
        )

    def start(self) -> None:
        """Start delivering."""
        self._loop.start()

    def stop(self) -> None:
        """Lease no more events, and wait for running deliveries: some seconds at most."""
        self._loop.stop()
        self._lane.close()
        self._carrier_lane.close()

    def dispatch_due(self) -> int:
        """Start the deliveries that are due, within the limits; returns how many."""
        now, started = self.now(), 0
        with self.database.read() as tx:
            owners = self.outbox.list_due_owners(tx, now)
        self._random.shuffle(owners)
        for owner in owners:
            slots = self._choose_lane(owner).count_free_slots(owner)
            if slots <= 0:
                continue
            lease = partial(self._lease, owner=owner, slots=slots, now=now)
            endpoint, leased = perform(self.database, lease)
            for event in leased:
                self._submit(endpoint, event)
            started += len(leased)
        return started

    def _lease(
        self, tx: Connection, owner: str, slots: int, now: datetime
    ) -> tuple[Any, Sequence[Row[Any]]]:
        endpoint = self.outbox.endpoints.find(tx, owner)
        if endpoint is None or endpoint.disabled_at:
            return None, ()
        return endpoint, self.outbox.lease(tx, owner, slots, now, LEASE_TIME)

    def count_running(self) -> int:
        """Return how many deliveries run."""
        return self._lane.count_running() + self._carrier_lane.count_running()

    def wait_until_idle(self) -> None:
        """Wait for the running deliveries."""
        self._lane.wait_until_idle()
        self._carrier_lane.wait_until_idle()

    def _is_carried(self, owner: str) -> bool:
        return self.carrier is not None and owner.startswith(self.carrier.prefix)

    def _choose_lane(self, owner: str) -> Lane:
        return self._carrier_lane if self._is_carried(owner) else self._lane

    def _submit(self, endpoint: Row[Any], event: Row[Any]) -> None:
        work = self._choose_lane(event.owner).submit(event.owner, self._deliver, endpoint, event)
        work.add_done_callback(self._wake)

    def _wake(self, _work: Future[None]) -> None:
        self.database.wakeup.set()  # a slot is free, and the next event of the stream may be due

    def _deliver(self, endpoint: Row[Any], event: Row[Any]) -> None:
        began = monotonic()
        line = {
            "event_id": event.id,
            "type": event.type,
            "account": event.owner,
            "attempt": event.attempts,
        }
        span = _begin_span(event)
        try:
            result = self._attempt(endpoint, event)
            line |= {"status": result.status, "reason": result.error}
            line["outcome"] = perform(
                self.database, lambda tx: self._record(tx, endpoint, event, result)
            )
        except Refusal as refusal:
            line |= {"outcome": NOT_RECORDED, "reason": refusal.reason}
        except Exception as error:  # noqa: BLE001 - it is delivered again when the lease expires
            line |= {"outcome": NOT_RECORDED, **describe(error)}
        if span is not None:
            line["trace_id"] = span.trace_id
            _end_span(span, line)
        seconds = monotonic() - began
        log().info("delivery", ms=round(seconds * 1000, 1), **line)
        if self.observe is not None:
            self.observe(line["outcome"], seconds)

    def _attempt(self, endpoint: Row[Any], event: Row[Any]) -> AttemptResult:
        try:
            if self.carrier and self._is_carried(event.owner):
                return self.carrier.deliver(endpoint, event, self.now())
            return self.courier.deliver(address_event(endpoint, event), self.now())
        except Exception as error:  # noqa: BLE001 - counts as a failed attempt, so that retries end
            log().error("delivery", event_id=event.id, **describe(error))
            return AttemptResult(None, "error")

    def _record(
        self, tx: Connection, endpoint: Row[Any], event: Row[Any], result: AttemptResult
    ) -> str:
        """Record the result of an attempt; returns the outcome for the log."""
        now = self.now()
        current = self.outbox.endpoints.find(tx, event.owner)
        is_carried = self._is_carried(event.owner)
        is_same = current is not None and current.url == endpoint.url
        gone = result.status == 410 and is_same and not is_carried
        state = CANCELLED if gone else choose_state(result, event.attempts, is_owed=is_carried)
        values: dict[str, Any] = {
            "state": state,
            "last_status": result.status,
            "last_error": result.error,
        }
        if state == PENDING:
            delay = BACKOFF.compute_delay(event.attempts, self.chance())
            asked = min(result.retry_after or timedelta(0), BACKOFF.longest)
            values["due_at"] = now + max(delay, asked)
        else:
            values["ended_at"] = now
        if gone:  # the endpoint first: of two dispatchers that get 410, one waits here
            self.outbox.endpoints.disable(tx, event.owner, endpoint.url, now)
        held = self.outbox.settle(tx, event, values)
        if held and self.carrier and is_carried:
            self.carrier.record(tx, event, state, result, now)
        if not held:
            return LEASE_LOST
        return RETRY if state == PENDING else state


def _begin_span(event: Row[Any]) -> "Span | None":
    """Begin the span of a delivery in the trace of the request that caused the event."""
    recorder = get_recorder()
    if recorder is None:
        return None
    attributes = {
        "optigate.event_id": event.id,
        "optigate.event_type": event.type,
        "optigate.account": event.owner,
        "optigate.attempt": event.attempts,
        "http.request.method": "POST",
    }
    carrier = {"traceparent": event.traceparent}
    return recorder.begin(f"deliver {event.type}", CLIENT, attributes, carrier)


def _end_span(span: "Span", line: dict[str, Any]) -> None:
    outcome = line["outcome"]
    status = {"http.response.status_code": line.get("status")}
    span.note({"optigate.outcome": outcome, "optigate.reason": line.get("reason"), **status})
    if outcome not in (DELIVERED, DECLINED):
        span.fail(outcome)
    span.end()


def address_event(endpoint: Row[Any], event: Row[Any] | Event) -> Delivery:
    """Address an event to its endpoint, in the format that it wants."""
    content_type, body = format_body(event.content_type, event.body, endpoint.format)
    return Delivery(
        url=endpoint.url,
        headers=endpoint.headers,
        secret=endpoint.secret,
        event_id=event.id,
        content_type=content_type,
        body=body,
    )


def choose_state(result: AttemptResult, attempts: int, *, is_owed: bool = False) -> str:
    """The state of an event after its attempt number `attempts`; what is owed is not declined."""
    if result.error is None:
        return DELIVERED
    if result.status == 501 and not is_owed:
        return DECLINED
    if result.error == WITHDRAWN:
        return CANCELLED
    return PENDING if attempts <= MAX_RETRIES else DEAD

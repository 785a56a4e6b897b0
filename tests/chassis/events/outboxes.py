"""An outbox on a store of its own, and the events that tests put into it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from chassis.events.endpoints import EndpointSchema
from chassis.events.outbox import Event, Outbox
from chassis.store.database import Database
from orders_svc.store import tables

TYPES = ("thing.moved", "thing.shown", "thing_shown")
SCHEMA = EndpointSchema(TYPES)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Box:
    """The outbox of a store, at a moment that a test moves."""

    database: Database
    outbox: Outbox = tables.outbox
    now: datetime = START

    def move_on(self, **spans: float) -> datetime:
        """Advance the clock."""
        self.now += timedelta(**spans)
        return self.now

    def put(self, owner: str, **endpoint: Any) -> None:
        """Add an endpoint for an owner."""
        values = SCHEMA.load({"url": "http://127.0.0.1:9/", **endpoint})
        with self.database.write() as tx:
            self.outbox.endpoints.put(tx, owner, values, self.now)

    def remove(self, owner: str) -> None:
        """Remove an owner's endpoint."""
        with self.database.write() as tx:
            self.outbox.endpoints.put(tx, owner, None, self.now)

    def clear(self) -> None:
        """Remove all endpoints."""
        with self.database.read() as tx:
            owners = [row.owner for row in self.outbox.endpoints.all(tx)]
        for owner in owners:
            self.remove(owner)

    def disable(self, owner: str) -> None:
        """An owner's endpoint answers 410."""
        with self.database.write() as tx:
            url = self.outbox.endpoints.get(tx, owner).url
            self.outbox.endpoints.disable(tx, owner, url, self.now)

    def add(
        self, owner: str, stream: str = "s1", type: str = "thing.moved", **fields: Any
    ) -> str | None:
        """Write an event in a transaction of its own."""
        event = Event(owner, stream, type, fields.pop("body", '{"a":1}'), **fields)
        with self.database.write() as tx:
            return self.outbox.add(tx, event, self.now)

    def lease(self, owner: str, limit: int = 10, seconds: float = 60) -> list[Any]:
        """Lease what is due."""
        with self.database.write() as tx:
            return list(self.outbox.lease(tx, owner, limit, self.now, timedelta(seconds=seconds)))

    def settle(self, leased: Any, **values: Any) -> bool:
        """Write the outcome of a leased event."""
        with self.database.write() as tx:
            return self.outbox.settle(tx, leased, {"ended_at": self.now, **values})

    def rows(self, owner: str) -> list[Any]:
        """An owner's events, oldest first."""
        with self.database.read() as tx:
            return list(reversed(self.outbox.find(tx, 1_000_000, owner=owner)))

    def states(self, owner: str) -> list[str]:
        """The states of an owner's events, oldest first."""
        return [row.state for row in self.rows(owner)]

    def endpoint(self, owner: str) -> Any:
        """An owner's endpoint."""
        with self.database.read() as tx:
            return self.outbox.endpoints.get(tx, owner)

    def read_last(self, owner: str) -> tuple[Any, ...]:
        """Return the stored columns of an owner's newest event."""
        row = self.rows(owner)[-1]
        return row.state, row.attempts, row.last_status, row.last_error

    def dispatcher(self, timeout: float = 5) -> Dispatcher:
        """Return a dispatcher at this moment, without jitter; its thread is not started."""
        courier = Courier(private=True, timeout=timeout)
        return Dispatcher(self.database, self.outbox, courier, lambda: self.now, lambda: 0.5)

    def deliver(self, timeout: float = 5) -> None:
        """Deliver everything that is due at this moment."""
        dispatcher = self.dispatcher(timeout)
        while dispatcher.dispatch_due():
            dispatcher.wait_until_idle()


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)

"""A carrier delivers the events of its owners, in a lane of its own, on both engines."""

import threading
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from chassis.events.carriers import WITHDRAWN, Carrier
from chassis.events.courier import AttemptResult, Courier
from chassis.events.dispatcher import MAX_RETRIES, Dispatcher
from chassis.events.lanes import MAX_DELIVERIES, MAX_DELIVERIES_PER_OWNER
from chassis.store.database import Database
from tests.chassis.events.outboxes import Box, wait_until
from tests.chassis.events.receiver import run_receiver


class Post:
    """Carries events to nowhere: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.results = [AttemptResult(None)]
        self.delivered: list[str] = []
        self.recorded: list[tuple[str, str, str | None]] = []
        self.free = threading.Event()
        self.free.set()

    def deliver(self, _endpoint: Any, event: Any, _now: datetime) -> AttemptResult:
        self.delivered.append(event.owner)
        self.free.wait(60)
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    def record(
        self, _tx: Connection, event: Any, state: str, result: AttemptResult, _now: datetime
    ) -> None:
        self.recorded.append((event.owner, state, result.error))


@pytest.fixture
def box(store_url: Any, engine: str) -> Any:
    """An outbox of its own."""
    database = Database(store_url("orders", engine))
    made = Box(database)
    made.clear()
    yield made
    database.close()


def start(box: Box, post: Post) -> Dispatcher:
    """Return a dispatcher with a carrier; its thread is not started."""
    carrier = Carrier("post:", post.deliver, post.record)
    courier, now = Courier(private=True), lambda: box.now
    return Dispatcher(box.database, box.outbox, courier, now, lambda: 0.5, carrier)


def test_it_delivers_the_events_of_its_owners_alone(box: Box) -> None:
    post = Post()
    with run_receiver() as receiver:
        box.put("post:a", url="http://127.0.0.1:9/")
        box.put("other", url=receiver.url)
        box.add("post:a")
        box.add("other")
        dispatcher = start(box, post)
        assert dispatcher.dispatch_due() == 2
        dispatcher.wait_until_idle()
        assert len(receiver.received) == 1
    assert post.delivered == ["post:a"]
    assert post.recorded == [("post:a", "delivered", None)]
    assert box.states("post:a") == box.states("other") == ["delivered"]


@pytest.mark.parametrize(("error", "state"), [(WITHDRAWN, "cancelled"), ("denied", "dead")])
def test_a_failure_is_recorded_with_its_state(box: Box, error: str, state: str) -> None:
    post = Post()
    post.results = [AttemptResult(None, error)]
    box.put("post:a")
    box.add("post:a")
    for _ in range(MAX_RETRIES + 1):
        dispatcher = start(box, post)
        dispatcher.dispatch_due()
        dispatcher.wait_until_idle()
        box.move_on(hours=15)
    attempts = 1 if state == "cancelled" else MAX_RETRIES + 1
    assert [each[1] for each in post.recorded] == ["pending"] * (attempts - 1) + [state]
    assert box.read_last("post:a") == (state, attempts, None, error)


def test_a_carrier_that_raises_is_an_error_that_is_retried(box: Box) -> None:
    post = Post()
    box.put("post:a")
    box.add("post:a")
    dispatcher = start(box, post)
    dispatcher.carrier = Carrier("post:", lambda *_: 1 / 0, post.record)  # type: ignore[arg-type]
    dispatcher.dispatch_due()
    dispatcher.wait_until_idle()
    assert box.read_last("post:a") == ("pending", 1, None, "error")


def test_a_carrier_that_hangs_leaves_the_courier_its_slots(box: Box) -> None:
    post = Post()
    post.free.clear()
    with run_receiver() as receiver:
        box.put("other", url=receiver.url)
        for number in range(MAX_DELIVERIES):
            box.put(f"post:{number}")
            for stream in range(2):
                box.add(f"post:{number}", stream=f"s{stream}")
        dispatcher = start(box, post)
        try:
            dispatcher.dispatch_due()
            wait_until(lambda: len(post.delivered) == MAX_DELIVERIES)
            for stream in range(MAX_DELIVERIES_PER_OWNER + 1):
                box.add("other", stream=f"s{stream}")
            while len(receiver.received) <= MAX_DELIVERIES_PER_OWNER:
                dispatcher.dispatch_due()
            assert len(post.delivered) == MAX_DELIVERIES
        finally:
            post.free.set()
            dispatcher.wait_until_idle()

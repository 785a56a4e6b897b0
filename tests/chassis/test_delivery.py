"""The dispatcher: what it delivers, in which order, when again, and what it gives up."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from chassis import delivery
from chassis.database import Database
from chassis.delivery import Dispatcher, pause
from chassis.errors import Busy
from chassis.webhooks import Courier
from tests.chassis.events import Box
from tests.chassis.logs import logged
from tests.chassis.receiver import Receiver, hang, receiving, redirect, reset, status


@pytest.fixture(scope="module")
def stored(store_url: Callable[[str, str], str], engine: str) -> Iterator[Database]:
    database = Database(store_url("orders", engine))
    yield database
    database.close()


@pytest.fixture
def box(stored: Database, unique: str) -> Iterator[Box]:
    """An outbox where nobody else has an endpoint."""
    made = Box(stored)
    yield made
    with stored.read() as tx:
        owners = [row.owner for row in made.outbox.endpoints.all(tx)]
    for owner in owners:
        made.remove(owner)


@pytest.fixture
def partner() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def dispatcher(box: Box, timeout: float = 5) -> Dispatcher:
    """A dispatcher at the moment of the box, without chance."""
    courier = Courier(private=True, timeout=timeout)
    return Dispatcher(box.database, box.outbox, courier, now=lambda: box.now, chance=lambda: 0.5)


def deliver(box: Box, timeout: float = 5) -> None:
    """Deliver everything that is due at this moment."""
    at_work = dispatcher(box, timeout)
    while at_work.begin():
        at_work.finish()


def last(box: Box, owner: str) -> tuple[Any, ...]:
    """What is known of an owner's newest event."""
    row = box.rows(owner)[-1]
    return row.state, row.attempts, row.last_status, row.last_error


def test_it_works(box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url, headers={"X-Key": "k"})
    id_ = box.add(unique, body='{"größe":1}')
    box.later(seconds=1)
    deliver(box)
    (received,) = partner.received
    assert received.headers["webhook-id"] == id_
    assert received.headers["webhook-timestamp"] == str(int(box.now.timestamp()))
    assert (received.headers["x-key"], received.body) == ("k", '{"größe":1}'.encode())
    (row,) = box.rows(unique)
    assert (row.state, row.attempts, row.ended_at) == ("delivered", 1, box.now)
    assert (row.last_status, row.last_error) == (204, None)
    deliver(box)
    assert len(partner.received) == 1


def test_the_signature_is_made_with_the_endpoints_secret(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    box.now = box.now.now(box.now.tzinfo)  # the verifier looks at the clock
    box.add(unique)
    deliver(box)
    (received,) = partner.received
    secret = box.endpoint(unique).secret
    assert Webhook(secret).verify(received.body, received.headers) == {"a": 1}


def test_an_answer_500_is_tried_again_with_the_same_id(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    partner.answers = [status(500), status(200)]
    deliver(box)
    assert last(box, unique) == ("pending", 1, 500, "status")
    box.later(seconds=9)
    deliver(box)
    assert len(partner.received) == 1
    box.later(seconds=1)
    deliver(box)
    assert last(box, unique) == ("delivered", 2, 200, None)
    assert partner.ids() == [id_, id_]
    first, second = (each.headers["webhook-timestamp"] for each in partner.received)
    assert int(second) - int(first) == 10


def test_after_ten_retries_it_is_given_up(box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url)
    box.add(unique)
    partner.answers = [status(503)]
    began, tried = box.now, []
    while box.states(unique) == ["pending"]:
        box.now = box.rows(unique)[0].due_at
        tried.append((box.now - began).total_seconds())
        deliver(box)
    assert tried == [0, 10, 40, 130, 400, 1210, 3640, 10930, 32800, 76000, 119200]
    assert len(partner.received) == 11
    assert len(set(partner.ids())) == 1
    assert last(box, unique) == ("dead", 11, 503, "status")


def test_pauses_are_spread() -> None:
    assert pause(1, 0) == timedelta(seconds=8)
    assert pause(1, 0.5) == timedelta(seconds=10)
    assert pause(1, 1) == timedelta(seconds=12)
    assert pause(10, 1) == timedelta(hours=14.4)


def test_no_answer_is_a_failure(box: Box, partner: Receiver, unique: str) -> None:
    for answering, word in ((hang, "timeout"), (reset, "reset")):
        partner.answers = [answering]
        box.put(f"{unique}-{word}", url=partner.url)
        box.add(f"{unique}-{word}")
        deliver(box, timeout=0.3)
        assert last(box, f"{unique}-{word}") == ("pending", 1, None, word)


def test_what_nobody_foresaw_is_a_failure_too(
    box: Box, partner: Receiver, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise LookupError("secret")

    monkeypatch.setattr(Courier, "deliver", broken)
    box.put(unique, url=partner.url)
    box.add(unique)
    with logged() as lines:
        deliver(box)
    assert last(box, unique) == ("pending", 1, None, "error")
    assert [line.get("error") for line in lines()] == ["LookupError", None]
    assert "secret" not in str(lines())


def test_501_declines_the_event_and_the_next_one_comes(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    box.add(unique)
    box.add(unique)
    partner.answers = [status(501), status(200)]
    deliver(box)
    assert box.states(unique) == ["declined", "delivered"]
    assert box.rows(unique)[0].ended_at == box.now


def test_410_disables_the_endpoint_and_cancels_what_waits(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    for stream in ("a", "a", "b"):
        box.add(unique, stream)
    partner.answers = [status(410)]
    deliver(box)
    assert box.endpoint(unique).disabled_at == box.now
    assert box.states(unique) == ["cancelled"] * 3
    assert box.rows(unique)[0].last_status == 410
    assert len(partner.received) <= 2

    box.add(unique, "c")
    deliver(box)
    assert len(partner.received) <= 2

    partner.answers, partner.received = [status(200)], []
    box.put(unique, url=f"{partner.url}/new")
    with box.database.write() as tx:
        assert box.outbox.replay_all(tx, unique, ["cancelled"], box.now) == 4
    deliver(box)
    assert box.states(unique) == ["delivered"] * 4
    assert sorted(partner.ids()) == sorted(row.id for row in box.rows(unique))
    assert {each.path for each in partner.received} == {"/events/new"}


def test_410_of_a_url_that_was_replaced_meanwhile_is_a_failure(
    box: Box, partner: Receiver, unique: str
) -> None:
    def replaced(handler: Any) -> None:
        box.put(unique, url=f"{partner.url}/new")
        status(410)(handler)

    box.put(unique, url=partner.url)
    box.add(unique)
    partner.answers = [replaced]
    deliver(box)
    assert box.endpoint(unique).disabled_at is None
    assert last(box, unique) == ("pending", 1, 410, "status")


def test_a_redirect_is_followed(box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    partner.at["/events"] = redirect(307, "/moved")
    deliver(box)
    assert last(box, unique) == ("delivered", 1, 204, None)
    assert [(each.path, each.headers["webhook-id"]) for each in partner.received] == [
        ("/events", id_),
        ("/moved", id_),
    ]


def test_the_order_of_a_stream_is_kept_while_one_fails(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    one, two, three = (box.add(unique, "a") for _ in range(3))
    partner.answers = [status(500), status(200)]
    deliver(box)
    assert partner.ids() == [one]
    other = box.add(unique, "b")
    deliver(box)
    assert partner.ids() == [one, other]
    box.later(seconds=10)
    deliver(box)
    assert partner.ids() == [one, other, one, two, three]


def test_an_event_that_is_given_up_lets_the_next_one_go(
    box: Box, partner: Receiver, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RETRIES", 0)
    box.put(unique, url=partner.url)
    box.add(unique)
    box.add(unique)
    partner.answers = [status(500), status(200)]
    deliver(box)
    assert box.states(unique) == ["dead", "delivered"]


def test_an_owner_whose_endpoint_hangs_leaves_room_for_others(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(f"{unique}-slow", url=f"{partner.url}/slow")
    box.put(f"{unique}-quick", url=partner.url)
    for number in range(20):
        box.add(f"{unique}-slow", f"s{number}")
    partner.at["/events/slow"] = hang
    at_work = dispatcher(box)
    assert at_work.begin() == delivery.OF_ONE_OWNER
    assert at_work.begin() == 0
    box.add(f"{unique}-quick")
    assert at_work.begin() == 1
    partner.closing.set()
    at_work.finish()
    assert box.states(f"{unique}-quick") == ["delivered"]


def test_two_dispatchers_deliver_each_event_once(box: Box, partner: Receiver, unique: str) -> None:
    owners = [f"{unique}-{number}" for number in range(3)]
    for owner in owners:
        box.put(owner, url=partner.url)
    ids = [box.add(owner, f"s{number % 4}") for owner in owners for number in range(20)]
    begin = threading.Barrier(3)

    def work(_: int) -> None:
        at_work = dispatcher(box)
        begin.wait()
        while any("pending" in box.states(owner) for owner in owners):
            at_work.begin()
            at_work.finish()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert sorted(partner.ids()) == sorted(map(str, ids))
    for owner in owners:
        for stream in range(4):
            of_stream = [row.id for row in box.rows(owner) if row.stream == f"s{stream}"]
            assert [id_ for id_ in partner.ids() if id_ in of_stream] == of_stream


def test_a_lease_that_ran_out_is_delivered_again(box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    box.lease(unique)  # by one that dies
    deliver(box)
    assert partner.received == []
    box.later(seconds=60)
    deliver(box)
    assert partner.ids() == [id_]
    assert last(box, unique) == ("delivered", 2, 204, None)


def test_who_lost_the_lease_records_nothing(box: Box, partner: Receiver, unique: str) -> None:
    def late(handler: Any) -> None:
        box.later(seconds=60)
        assert len(box.lease(unique)) == 1
        status(500)(handler)

    box.put(unique, url=partner.url)
    box.add(unique)
    partner.answers = [late]
    with logged() as lines:
        deliver(box)
    assert [line["outcome"] for line in lines()] == ["lease lost"]
    assert last(box, unique) == ("pending", 2, None, None)


def test_an_outcome_that_cannot_be_recorded_is_delivered_again(
    box: Box, partner: Receiver, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> bool:
        raise Busy("Another request holds this; try again.")

    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    with monkeypatch.context() as broken, logged() as lines:
        broken.setattr(box.outbox, "settle", busy)
        deliver(box)
    assert [(line["outcome"], line["reason"]) for line in lines()] == [("not recorded", "BUSY")]
    box.later(seconds=60)
    deliver(box)
    assert partner.ids() == [id_, id_]
    assert box.states(unique) == ["delivered"]


def test_one_line_is_logged_and_tells_nothing_of_the_event(
    box: Box, partner: Receiver, unique: str
) -> None:
    url = f"{partner.url}?token=secret-in-query"
    box.put(unique, url=url, headers={"X-Key": "secret-in-header"})
    id_ = box.add(unique, "secret-stream", body='{"name":"Ada"}')
    partner.answers = [status(500)]
    with logged() as lines:
        deliver(box)
    (line,) = lines()
    assert line.pop("ms") >= 0
    assert line.pop("timestamp")
    assert line == {
        "service": "tests",
        "level": "info",
        "event": "delivery",
        "event_id": id_,
        "type": "thing.moved",
        "account": unique,
        "attempt": 1,
        "status": 500,
        "reason": "status",
        "outcome": "retry",
    }


@pytest.fixture
def running(box: Box) -> Iterator[Dispatcher]:
    """A dispatcher with its thread, by the real clock."""
    box.now = box.now.now(box.now.tzinfo)
    at_work = Dispatcher(box.database, box.outbox, Courier(private=True))
    at_work.start()
    yield at_work
    at_work.stop()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_commit_wakes_the_thread(
    box: Box,
    partner: Receiver,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(delivery, "POLL", 60)
    box.put(unique, url=partner.url)
    request.getfixturevalue("running")
    for count in range(1, 4):
        box.add(unique)
        until(lambda: len(partner.received) == count)  # noqa: B023
    until(lambda: box.states(unique) == ["delivered"] * 3)


def test_the_thread_finds_what_another_process_wrote(
    box: Box, partner: Receiver, unique: str, running: Dispatcher
) -> None:
    elsewhere = Box(Database(box.database.url.render_as_string(hide_password=False)))
    elsewhere.now = box.now
    elsewhere.put(unique, url=partner.url)
    elsewhere.add(unique)
    until(lambda: box.states(unique) == ["delivered"])
    elsewhere.database.close()


def test_the_thread_outlives_a_failure(
    box: Box,
    partner: Receiver,
    unique: str,
    running: Dispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> list[str]:
        raise RuntimeError("secret")

    with logged() as lines:
        with monkeypatch.context() as patched:
            patched.setattr(box.outbox, "owners_due", broken)
            until(lambda: bool(lines()))
        box.put(unique, url=partner.url)
        box.add(unique)
        until(lambda: box.states(unique) == ["delivered"])
    assert lines()[0]["error"] == "RuntimeError"
    assert "secret" not in str(lines())


def test_stopping_waits_for_what_is_at_work(box: Box, partner: Receiver, unique: str) -> None:
    reached, leave = threading.Event(), threading.Event()

    def slow(handler: Any) -> None:
        reached.set()
        leave.wait(10)
        status(200)(handler)

    box.now = box.now.now(box.now.tzinfo)
    box.put(unique, url=partner.url)
    box.add(unique)
    box.add(unique)
    partner.answers = [slow, status(500)]
    at_work = Dispatcher(box.database, box.outbox, Courier(private=True))
    at_work.start()
    assert reached.wait(10)
    threading.Timer(0.2, leave.set).start()
    at_work.stop()
    assert box.states(unique) == ["delivered", "pending"]
    assert len(partner.received) == 1

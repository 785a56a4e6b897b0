"""The dispatcher at work: several at once, leases, and its thread."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from chassis.errors import Busy
from chassis.events import dispatcher as delivery
from chassis.events import lanes
from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from chassis.store.database import Database
from tests.chassis.events.outboxes import Box, wait_until
from tests.chassis.events.receiver import Receiver, answer_status, hang
from tests.chassis.logs import capture_log
from tests.chassis.store.collisions import collide


def test_an_owner_whose_endpoint_hangs_leaves_room_for_others(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(f"{unique}-slow", url=f"{partner.url}/slow")
    box.put(f"{unique}-quick", url=partner.url)
    for number in range(20):
        box.add(f"{unique}-slow", f"s{number}")
    partner.at["/events/slow"] = hang
    at_work = box.dispatcher()
    assert at_work.dispatch_due() == lanes.MAX_DELIVERIES_PER_OWNER
    assert at_work.dispatch_due() == 0
    box.add(f"{unique}-quick")
    assert at_work.dispatch_due() == 1
    partner.closing.set()
    at_work.wait_until_idle()
    assert box.states(f"{unique}-quick") == ["delivered"]


def test_two_dispatchers_deliver_each_event_once(box: Box, partner: Receiver, unique: str) -> None:
    owners = [f"{unique}-{number}" for number in range(3)]
    for owner in owners:
        box.put(owner, url=partner.url)
    ids = [box.add(owner, f"s{number % 4}") for owner in owners for number in range(20)]
    begin = threading.Barrier(3)

    def work(_: int) -> None:
        at_work = box.dispatcher()
        begin.wait()
        while any("pending" in box.states(owner) for owner in owners):
            at_work.dispatch_due()
            at_work.wait_until_idle()

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
    box.deliver()
    assert partner.received == []
    box.move_on(seconds=60)
    box.deliver()
    assert partner.ids() == [id_]
    assert box.read_last(unique) == ("delivered", 2, 204, None)


def test_a_dispatcher_without_its_lease_records_nothing(
    box: Box, partner: Receiver, unique: str
) -> None:
    def answer_late(handler: Any) -> None:
        box.move_on(seconds=60)
        assert len(box.lease(unique)) == 1
        answer_status(500)(handler)

    box.put(unique, url=partner.url)
    box.add(unique)
    partner.answers = [answer_late]
    with capture_log() as lines:
        box.deliver()
    assert [line["outcome"] for line in lines()] == ["lease lost"]
    assert box.read_last(unique) == ("pending", 2, None, None)


def test_an_outcome_that_cannot_be_recorded_is_delivered_again(
    box: Box, partner: Receiver, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_busy(*_: Any) -> bool:
        raise Busy("Another request holds this; try again.")

    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    with monkeypatch.context() as broken, capture_log() as lines:
        broken.setattr(box.outbox, "settle", is_busy)
        box.deliver()
    assert [(line["outcome"], line["reason"]) for line in lines()] == [("not recorded", "BUSY")]
    box.move_on(seconds=60)
    box.deliver()
    assert partner.ids() == [id_, id_]
    assert box.states(unique) == ["delivered"]


@pytest.fixture
def running(box: Box) -> Iterator[Dispatcher]:
    """A dispatcher with its thread, by the real clock."""
    box.now = box.now.now(box.now.tzinfo)
    at_work = Dispatcher(box.database, box.outbox, Courier(private=True))
    at_work.start()
    yield at_work
    at_work.stop()


def test_a_commit_wakes_the_thread(
    box: Box,
    partner: Receiver,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(delivery, "POLL_SECONDS", 60)
    box.put(unique, url=partner.url)
    request.getfixturevalue("running")
    for count in range(1, 4):
        box.add(unique)
        wait_until(lambda: len(partner.received) == count)  # noqa: B023
    wait_until(lambda: box.states(unique) == ["delivered"] * 3)


def test_the_thread_finds_what_another_process_wrote(
    box: Box, partner: Receiver, unique: str, running: Dispatcher
) -> None:
    elsewhere = Box(Database(box.database.url.render_as_string(hide_password=False)))
    elsewhere.now = box.now
    elsewhere.put(unique, url=partner.url)
    elsewhere.add(unique)
    wait_until(lambda: box.states(unique) == ["delivered"])
    elsewhere.database.close()


def test_the_thread_outlives_a_failure(
    box: Box,
    partner: Receiver,
    unique: str,
    running: Dispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> list[str]:
        raise RuntimeError("secret")

    with capture_log() as lines:
        with monkeypatch.context() as patched:
            patched.setattr(box.outbox, "list_due_owners", fail)
            wait_until(lambda: bool(lines()))
        box.put(unique, url=partner.url)
        box.add(unique)
        wait_until(lambda: box.states(unique) == ["delivered"])
    assert lines()[0]["error"] == "RuntimeError"
    assert "secret" not in str(lines())


def test_stopping_waits_for_what_is_at_work(box: Box, partner: Receiver, unique: str) -> None:
    reached, leave = threading.Event(), threading.Event()

    def answer_slowly(handler: Any) -> None:
        reached.set()
        leave.wait(10)
        answer_status(200)(handler)

    box.now = box.now.now(box.now.tzinfo)
    box.put(unique, url=partner.url)
    box.add(unique)
    box.add(unique)
    partner.answers = [answer_slowly, answer_status(500)]
    at_work = Dispatcher(box.database, box.outbox, Courier(private=True))
    at_work.start()
    assert reached.wait(10)
    threading.Timer(0.2, leave.set).start()
    at_work.stop()
    assert box.states(unique) == ["delivered", "pending"]
    assert len(partner.received) == 1


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_conflict_with_others_is_repeated(
    box: Box, partner: Receiver, unique: str, state: str
) -> None:
    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    at_work = box.dispatcher()
    with ExitStack() as stack:
        if not box.database.is_sqlite:  # that has one writer at a time, and no conflict
            stack.enter_context(collide(box.database, "UPDATE", "outbox", state=state))
        assert at_work.dispatch_due() == 1
    at_work.wait_until_idle()
    assert partner.ids() == [id_]
    assert box.read_last(unique) == ("delivered", 1, 204, None)

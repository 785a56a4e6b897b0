"""Events in the store: who receives one, in which order they fall due, how they end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chassis.errors import NotFound, WrongState
from chassis.events.outbox import Event, generate_event_id
from tests.chassis.events.outboxes import START, Box


def add_and_fail(box: Box, owner: str) -> None:
    """Write an event in a transaction that fails."""
    with box.database.write() as tx:
        assert box.outbox.add(tx, Event(owner, "s1", "thing.moved", "{}"), box.now)
        raise ZeroDivisionError


def test_it_works(box: Box, unique: str) -> None:
    box.put(unique)
    id_ = box.add(unique, "s1", "thing.moved", body='{"größe":1}', content_type="text/x")
    assert id_
    assert id_.startswith("evt_")
    (row,) = box.rows(unique)
    assert row._mapping == {
        "sequence": row.sequence,
        "id": id_,
        "owner": unique,
        "stream": "s1",
        "type": "thing.moved",
        "content_type": "text/x",
        "body": '{"größe":1}',
        "state": "pending",
        "attempts": 0,
        "created_at": START,
        "due_at": START,
        "ended_at": None,
        "last_status": None,
        "last_error": None,
        "traceparent": None,
    }


def test_nothing_is_written_for_an_owner_without_an_endpoint(box: Box, unique: str) -> None:
    assert box.add(unique) is None
    assert box.rows(unique) == []


def test_an_event_is_rolled_back_with_its_change(box: Box, unique: str) -> None:
    box.put(unique)
    with pytest.raises(ZeroDivisionError):
        add_and_fail(box, unique)
    assert box.rows(unique) == []


def test_an_id_can_be_made_first(box: Box, unique: str) -> None:
    box.put(unique)
    id_ = generate_event_id()
    assert box.add(unique, id=id_, body=f"event_id={id_}") == id_


@pytest.mark.parametrize(
    ("asked", "type_", "on_request", "sent"),
    [
        (None, "thing.moved", False, True),
        (None, "thing.moved", True, False),
        (["thing.moved"], "thing.moved", False, True),
        (["thing.moved"], "thing.moved", True, True),
        (["thing.moved", "thing_shown"], "thing_shown", True, True),
        (["thing.shown"], "thing_shown", False, False),
        (["thing.moved"], "thing", False, False),
        (["thing.moved"], "%", False, False),
        ([], "thing.moved", False, False),
    ],
)
def test_an_endpoint_gets_what_it_asks_for(
    box: Box, unique: str, asked: list[str] | None, type_: str, on_request: bool, sent: bool
) -> None:
    box.put(unique, events=asked) if asked is not None else box.put(unique)
    assert bool(box.add(unique, type=type_, on_request=on_request)) is sent


def test_a_commit_with_an_event_wakes_who_waits_for_it(box: Box, unique: str) -> None:
    box.put(unique)
    wakeup = box.database.wakeup
    wakeup.clear()
    with pytest.raises(ZeroDivisionError):
        add_and_fail(box, unique)
    assert not wakeup.is_set()
    box.add("nobody")
    assert not wakeup.is_set()
    with box.database.write() as tx:
        box.outbox.add(tx, Event(unique, "s1", "thing.moved", "{}"), box.now)
        assert not wakeup.is_set()
    assert wakeup.is_set()


def test_the_next_event_of_a_stream_waits_for_the_one_before(box: Box, unique: str) -> None:
    box.put(unique)
    one, two = box.add(unique, "a"), box.add(unique, "a")
    other = box.add(unique, "b")
    leased = box.lease(unique)
    assert [row.id for row in leased] == [one, other]
    assert box.lease(unique) == []
    with box.database.read() as tx:
        assert unique not in box.outbox.list_due_owners(tx, box.now)
    assert box.settle(leased[0], state="delivered")
    assert [row.id for row in box.lease(unique)] == [two]


def test_streams_of_two_owners_do_not_wait_for_each_other(box: Box, unique: str) -> None:
    other = f"{unique}-2"
    box.put(unique)
    box.put(other)
    box.add(unique, "a")
    assert box.lease(unique)
    id_ = box.add(other, "a")
    assert [row.id for row in box.lease(other)] == [id_]


def test_an_event_is_not_due_before_its_time(box: Box, unique: str) -> None:
    box.put(unique)
    box.add(unique)
    box.now -= timedelta(seconds=1)
    with box.database.read() as tx:
        assert unique not in box.outbox.list_due_owners(tx, box.now)
    assert box.lease(unique) == []
    box.move_on(seconds=1)
    with box.database.read() as tx:
        assert unique in box.outbox.list_due_owners(tx, box.now)
    assert len(box.lease(unique)) == 1


def test_a_lease_that_ran_out_is_given_to_another(box: Box, unique: str) -> None:
    box.put(unique)
    box.add(unique)
    (slow,) = box.lease(unique)
    box.move_on(seconds=59)
    assert box.lease(unique) == []
    box.move_on(seconds=1)
    (quick,) = box.lease(unique)
    assert (slow.attempts, quick.attempts) == (1, 2)
    assert not box.settle(slow, state="dead")
    assert box.settle(quick, state="delivered")
    assert not box.settle(quick, state="dead")
    assert box.states(unique) == ["delivered"]


def test_many_at_once_lease_each_event_once(box: Box, unique: str) -> None:
    box.put(unique)
    for number in range(40):
        box.add(unique, f"s{number}")
    begin = threading.Barrier(4)

    def take(_: int) -> list[str]:
        begin.wait()
        found: list[str] = []
        while leased := box.lease(unique, 3):
            found += [row.id for row in leased]
        return found

    with ThreadPoolExecutor(4) as pool:
        taken = [id_ for found in pool.map(take, range(4)) for id_ in found]
    assert sorted(taken) == sorted(row.id for row in box.rows(unique))


def test_events_of_a_disabled_endpoint_are_kept_as_cancelled(box: Box, unique: str) -> None:
    box.put(unique)
    box.add(unique)
    box.disable(unique)
    assert box.add(unique)
    assert box.states(unique) == ["cancelled", "cancelled"]
    assert [row.ended_at for row in box.rows(unique)] == [box.now] * 2
    with box.database.read() as tx:
        assert unique not in box.outbox.list_due_owners(tx, box.now)
    with pytest.raises(WrongState), box.database.write() as tx:
        box.outbox.replay_all(tx, unique, ["cancelled"], box.now)
    with box.database.write() as tx:
        box.outbox.endpoints.enable(tx, unique)
        assert box.outbox.replay_all(tx, unique, ["cancelled"], box.now) == 2
    assert box.states(unique) == ["pending", "pending"]


def test_what_is_cancelled_during_an_attempt_may_arrive_but_is_not_retried(
    box: Box, unique: str
) -> None:
    box.put(unique)
    box.add(unique, "a")
    box.add(unique, "b")
    one, two = box.lease(unique)
    box.disable(unique)
    assert box.settle(one, state="delivered")
    assert not box.settle(two, state="pending", ended_at=None)
    assert box.states(unique) == ["delivered", "cancelled"]


def test_replayed_events_start_over_under_their_ids(box: Box, unique: str) -> None:
    box.put(unique)
    id_ = box.add(unique)
    (leased,) = box.lease(unique)
    box.settle(leased, state="dead", last_status=500, last_error="status")
    box.move_on(days=1)
    with box.database.write() as tx:
        box.outbox.replay(tx, str(id_), box.now)
    (row,) = box.rows(unique)
    assert (row.id, row.state, row.attempts, row.due_at, row.ended_at) == (
        id_,
        "pending",
        0,
        box.now,
        None,
    )
    with pytest.raises(NotFound), box.database.write() as tx:
        box.outbox.replay(tx, "evt_none", box.now)


def test_a_replay_needs_an_endpoint(box: Box, unique: str) -> None:
    box.put(unique)
    id_ = box.add(unique)
    box.remove(unique)
    assert box.states(unique) == ["cancelled"]
    with pytest.raises(NotFound), box.database.write() as tx:
        box.outbox.replay(tx, str(id_), box.now)


def test_settled_events_expire(box: Box, unique: str) -> None:
    box.put(unique)
    for state in ("delivered", "declined", "dead", "cancelled"):
        box.add(unique, state)
    for leased in box.lease(unique):
        box.settle(leased, state=leased.stream)
    box.add(unique, "pending")

    def forget(days: int) -> list[str]:
        with box.database.write() as tx:
            box.outbox.delete_expired(tx, START + timedelta(days=days))
        return box.states(unique)

    assert forget(6) == ["delivered", "declined", "dead", "cancelled", "pending"]
    assert forget(7) == ["dead", "cancelled", "pending"]
    assert forget(30) == ["pending"]
    assert forget(1000) == ["pending"]

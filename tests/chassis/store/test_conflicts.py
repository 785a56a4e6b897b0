"""What PostgreSQL rolls back in favour of another transaction is done once, within the deadline."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, insert, select, text, update

from chassis.context import get_current_call, note_ids
from chassis.errors import Busy
from chassis.store.conflicts import perform, repeat_on_conflict
from chassis.store.database import Database
from chassis.store.errors import Conflict
from tests.chassis.probe import notes
from tests.chassis.store.conftest import Open
from tests.chassis.store.test_postgres import serving

Act = Callable[[Connection], None]


@pytest.fixture(scope="module")
def engine() -> str:
    """SQLite has one writer at a time."""
    return "postgresql"


@pytest.fixture
def store(opened: Open) -> Database:
    """A store with two notes."""
    database = opened()
    with database.write() as tx:
        tx.execute(insert(notes), [{"id": 1, "text": ""}, {"id": 2, "text": ""}])
    return database


def append(tx: Connection, number: int, letter: str) -> None:
    """Add a letter to a note."""
    tx.execute(update(notes).where(notes.c.id == number).values(text=notes.c.text + letter))


def read_notes(database: Database) -> list[str]:
    """The texts of the notes."""
    with database.read() as tx:
        return list(tx.execute(select(notes.c.text).order_by(notes.c.id)).scalars())


def collide(database: Database, times: int) -> tuple[Act, list[int]]:
    """What fails with 40001 so often before it adds b to a note, and its attempts."""
    attempts: list[int] = []

    def act(tx: Connection) -> None:
        attempts.append(len(attempts) + 1)
        tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        tx.execute(select(notes.c.text).where(notes.c.id == 1)).scalar()
        if len(attempts) <= times:
            other = threading.Thread(target=perform, args=(database, lambda tx: append(tx, 1, "a")))
            other.start()
            other.join()
        append(tx, 1, "b")

    return act, attempts


def test_two_transactions_that_wait_for_each_other_both_succeed(store: Database) -> None:
    met = threading.Barrier(2)
    attempts: list[str] = []

    def work(letter: str, *rows: int) -> None:
        def act(tx: Connection) -> None:
            attempts.append(letter)
            append(tx, rows[0], letter)
            if attempts.count(letter) == 1:
                met.wait(10)
            append(tx, rows[1], letter)

        perform(store, act)

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(work, "a", 1, 2), pool.submit(work, "b", 2, 1)]:
            each.result()
    assert [sorted(each) for each in read_notes(store)] == [["a", "b"], ["a", "b"]]
    assert len(attempts) > 2


def test_what_cannot_be_serialized_is_repeated(store: Database) -> None:
    act, attempts = collide(store, 3)
    with serving(10):
        perform(store, act)
        assert get_current_call().repeats == 3
    assert read_notes(store)[0] == "aaab"
    assert attempts == [1, 2, 3, 4]


def test_it_ends_at_the_deadline(store: Database) -> None:
    act, attempts = collide(store, 10_000)
    began = time.monotonic()
    with serving(1), pytest.raises(Busy):
        perform(store, act)
    assert time.monotonic() - began < 10
    assert read_notes(store)[0] == "a" * len(attempts)
    assert len(attempts) > 1


def test_nothing_is_repeated_after_a_commit(store: Database) -> None:
    act, _ = collide(store, 1)

    def run() -> None:
        with store.write() as tx:
            append(tx, 2, "c")
        with store.write() as tx:
            act(tx)

    with serving(10), pytest.raises(Conflict):
        repeat_on_conflict(run)
    assert read_notes(store) == ["a", "c"]


def test_a_later_transaction_of_a_call_is_repeated_alone(store: Database) -> None:
    act, _ = collide(store, 1)

    def run() -> None:
        perform(store, lambda tx: append(tx, 2, "c"))
        perform(store, act)

    with serving(10):
        repeat_on_conflict(run)
    assert read_notes(store) == ["ab", "c"]


def test_a_repeat_begins_as_the_call_began(store: Database) -> None:
    collided, _ = collide(store, 2)

    def act(tx: Connection) -> None:
        note_ids("n1")
        get_current_call().is_audited = True
        collided(tx)

    with serving(10):
        note_ids("n0")
        perform(store, act)
        assert get_current_call().ids == ["n0", "n1"]


def test_other_failures_are_not_repeated(store: Database) -> None:
    attempts: list[int] = []

    def act(tx: Connection) -> None:
        attempts.append(1)
        append(tx, 1, "x" * 200)

    with pytest.raises(Exception, match="value too long"):
        perform(store, act)
    assert attempts == [1]

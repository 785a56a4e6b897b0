"""The buffer of reads and refusals: bounded, kept while the store is away, written at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from chassis.audit.recorder import BATCH_ENTRIES, Recorder
from chassis.audit.trail import Trail, decode_ids
from chassis.context import Account, Call
from chassis.errors import Overloaded
from chassis.store.database import Database
from tests.chassis.logs import capture_log
from tests.chassis.probe import notes, probe


def build_call(id_: str) -> Call:
    """A read of a row."""
    return Call("/x.S/Get", "r", {}, account=Account(1, "somebody", "client"), ids=[id_])


def read_ids(store: Database, trail: Trail) -> list[str]:
    """What the entries are about, in their order."""
    with store.read() as tx:
        rows = tx.execute(select(trail.entries).order_by(trail.entries.c.number)).all()
    return [id_ for row in rows for id_ in decode_ids(row)]


@pytest.fixture
def recorder(store: Database, trail: Trail) -> Recorder:
    """A recorder that is not started, with room for four."""
    return Recorder(store, trail, max_entries=4)


@contextmanager
def broken(store: Database) -> Iterator[None]:
    """A store that cannot be written."""
    before = store.write

    def fail(**_: object) -> None:
        raise Overloaded("The database does not answer; try again.")

    store.write = fail  # type: ignore[assignment,method-assign]  # it fails here alone
    try:
        yield
    finally:
        store.write = before  # type: ignore[method-assign]


def test_an_overflow_is_counted_and_logged(
    recorder: Recorder, store: Database, trail: Trail
) -> None:
    for number in range(6):
        recorder.end_call(build_call(f"a{number}"), None)
    with capture_log() as lines:
        recorder.flush()
    assert read_ids(store, trail) == ["a0", "a1", "a2", "a3"]
    assert recorder.dropped == 2
    logged = [(line["event"], line["count"]) for line in lines()]
    assert logged == [("audit entries dropped", 2)]


def test_entries_wait_for_a_store_that_is_away(
    recorder: Recorder, store: Database, trail: Trail
) -> None:
    recorder.end_call(build_call("a"), None)
    with broken(store), pytest.raises(Overloaded):
        recorder.flush()
    recorder.end_call(build_call("b"), "NOT_FOUND")
    recorder.flush()
    assert read_ids(store, trail) == ["a", "b"]


def test_the_rest_is_written_at_the_stop(store: Database, trail: Trail) -> None:
    recorder = Recorder(store, trail, seconds=3600)
    recorder.start()
    count = BATCH_ENTRIES * 2 + 1
    for number in range(count):
        recorder.end_call(build_call(str(number)), None)
    recorder.stop()
    assert read_ids(store, trail) == [str(number) for number in range(count)]


def test_a_stop_without_a_store_counts_what_is_lost(recorder: Recorder, store: Database) -> None:
    recorder.start()
    with broken(store), capture_log() as lines:
        recorder.end_call(build_call("a"), None)
        recorder.stop()
    assert recorder.dropped == 1
    assert lines()[-1]["event"] == "audit entries dropped"


def test_a_stopped_service_has_written_its_reads(tmp_path: Path) -> None:
    with probe(tmp_path) as running:
        running.call(act=lambda: running.note("x"))
        running.refusal("ConfirmSubscription", act=lambda: None)
        path = running.database.url
    database = Database(str(path))
    with database.read() as tx:
        from tests.chassis.probe import audit

        found = [
            (row.account, row.rpc, row.outcome)
            for row in tx.execute(select(audit.entries).order_by(audit.entries.c.number))
        ]
        assert tx.execute(select(notes.c.text)).scalar() == "x"
    database.close()
    assert found == [
        ("somebody", "SubscriptionService/GetSubscription", "OK"),
        ("somebody", "SubscriptionDeskService/ConfirmSubscription", "FORBIDDEN"),
    ]

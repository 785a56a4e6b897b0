"""The chain over the audit trail: what it seals, and what breaks it, on both engines."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from chassis.audit.sealer import (
    FIRST_DIGEST,
    INTERVAL,
    Sealer,
    compute_digest,
    delete_old_entries,
)
from chassis.audit.trail import Trail
from chassis.audit.verification import Verification, verify
from chassis.errors import Busy
from chassis.store.database import Database
from tests.chassis.audit.trails import add_entry, fill

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def check(store: Database, trail: Trail, digest: str | None = None) -> Verification:
    """Verify the trail."""
    with store.stream() as tx:
        return verify(tx, trail, digest)


def read_seals(store: Database, trail: Trail) -> list[Any]:
    """All seals."""
    with store.read() as tx:
        return list(tx.execute(select(trail.seals).order_by(trail.seals.c.number)))


def count_entries(store: Database, trail: Trail) -> int:
    """How many entries there are."""
    with store.read() as tx:
        return int(tx.execute(select(func.count()).select_from(trail.entries)).scalar_one())


def seal(store: Database, trail: Trail, *ids: str, at: datetime = NOW) -> None:
    """Add entries and seal them."""
    fill(store, trail, *ids)
    Sealer(store, trail, lambda: at).seal()


@pytest.fixture
def sealed(store: Database, trail: Trail) -> list[int]:
    """The numbers of entries under three seals of two each."""
    for pair in (("a", "b"), ("c", "d"), ("e", "f")):
        seal(store, trail, *pair)
    with store.read() as tx:
        numbers = tx.execute(select(trail.entries.c.number).order_by(trail.entries.c.number))
        return list(numbers.scalars())


def test_it_works(store: Database, trail: Trail, sealed: list[int]) -> None:
    found = check(store, trail)
    assert (found.seals, found.entries, found.breaks, found.tail) == (3, 6, [], [])
    assert [row.entries for row in read_seals(store, trail)] == [2, 2, 2]


def test_the_unsealed_tail_is_named(store: Database, trail: Trail, sealed: list[int]) -> None:
    fill(store, trail, "g", "h", "i")
    found = check(store, trail)
    assert (found.breaks, found.tail_entries) == ([], 3)
    assert found.tail == [sealed[-1] + 1, sealed[-1] + 3]
    assert found.tail_since is not None


@pytest.mark.parametrize("column", ["account", "actor", "rpc", "ids", "request_id", "outcome"])
def test_a_changed_entry_is_found(
    store: Database, trail: Trail, sealed: list[int], column: str
) -> None:
    with store.write() as tx:
        one = trail.entries.c.number == sealed[2]
        tx.execute(update(trail.entries).where(one).values({column: "x"}))
    assert check(store, trail).breaks == [
        f"seal 2 (entries {sealed[1] + 1} to {sealed[3]}): an entry, or the digest, was changed"
    ]


def test_a_changed_moment_is_found(store: Database, trail: Trail, sealed: list[int]) -> None:
    with store.write() as tx:
        one = trail.entries.c.number == sealed[0]
        tx.execute(update(trail.entries).where(one).values(at=NOW))
    assert len(check(store, trail).breaks) == 1


def test_a_removed_entry_is_found(store: Database, trail: Trail, sealed: list[int]) -> None:
    with store.write() as tx:
        tx.execute(delete(trail.entries).where(trail.entries.c.number == sealed[5]))
    name = f"seal 3 (entries {sealed[3] + 1} to {sealed[5]})"
    assert check(store, trail).breaks == [f"{name}: 1 of 2 were removed"]


def test_an_inserted_entry_is_found(store: Database, trail: Trail, sealed: list[int]) -> None:
    with store.write() as tx:
        tx.execute(delete(trail.entries).where(trail.entries.c.number == sealed[0]))
    seal(store, trail, "g")
    with store.write() as tx:
        row = tx.execute(select(trail.entries)).first()
        assert row is not None
        copy = {**row._mapping, "number": sealed[0]}
        tx.execute(insert(trail.entries).values(copy))
        copy["number"] = sealed[0] - 1
        tx.execute(insert(trail.entries).values(copy))
    assert check(store, trail).breaks[0].endswith(": 1 were inserted")


def test_a_swapped_pair_is_found(store: Database, trail: Trail, sealed: list[int]) -> None:
    number = trail.entries.c.number
    with store.write() as tx:
        for before, after in ((sealed[0], 0), (sealed[1], sealed[0]), (0, sealed[1])):
            tx.execute(update(trail.entries).where(number == before).values(number=after))
    assert len(check(store, trail).breaks) == 1


def test_a_missing_seal_is_found(store: Database, trail: Trail, sealed: list[int]) -> None:
    with store.write() as tx:
        tx.execute(delete(trail.seals).where(trail.seals.c.number == 2))
    assert "seals 2 to 2 are missing" in check(store, trail).breaks


def test_a_chain_that_is_cut_or_rewritten_lacks_the_noted_digest(
    store: Database, trail: Trail, sealed: list[int]
) -> None:
    noted = read_seals(store, trail)[-1].digest
    assert check(store, trail, noted).has_digest
    with store.write() as tx:
        tx.execute(delete(trail.seals).where(trail.seals.c.number == 3))
        tx.execute(delete(trail.entries).where(trail.entries.c.number > sealed[3]))
    found = check(store, trail, noted)
    assert (found.breaks, found.has_digest) == ([], False)


def test_what_commits_late_is_sealed_with_the_rest(store: Database, trail: Trail) -> None:
    """A lower number that commits after a higher one must be under the same seal or a later one."""
    sealer = Sealer(store, trail, lambda: NOW)
    added, commit = threading.Event(), threading.Event()

    def commit_late() -> None:
        with store.write() as tx:
            add_entry(tx, trail, "late")
            added.set()
            commit.wait(10)

    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(commit_late)
        assert added.wait(10)
        if store.is_sqlite:  # nobody else can write meanwhile
            sealing = pool.submit(sealer.seal)
            commit.set()
            late.result()
            sealing.result()
        else:
            fill(store, trail, "early")
            with pytest.raises(Busy):
                sealer.seal()
            assert read_seals(store, trail) == []
            commit.set()
            late.result()
            sealer.seal()
    found = check(store, trail)
    assert (found.breaks, found.tail, found.entries) == ([], [], count_entries(store, trail))


def test_a_busy_trail_is_sealed_at_the_next_poll(store: Database, trail: Trail) -> None:
    if store.is_sqlite:
        return
    moments = iter([NOW, NOW + timedelta(seconds=5)])
    sealer = Sealer(store, trail, lambda: next(moments, NOW + timedelta(seconds=6)))
    fill(store, trail, "early")
    with store.write() as tx:
        add_entry(tx, trail, "open")
        sealer.seal_due()
        assert read_seals(store, trail) == []
    sealer.seal_due()
    assert [row.entries for row in read_seals(store, trail)] == [2]


def test_one_of_several_sealers_seals_once_a_minute(store: Database, trail: Trail) -> None:
    fill(store, trail, "a")
    sealers = [Sealer(store, trail, lambda: NOW) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Sealer.seal_due, sealers))
    fill(store, trail, "b")
    sealers[0].seal_due()
    assert [row.entries for row in read_seals(store, trail)] == [1]
    Sealer(store, trail, lambda: NOW + INTERVAL).seal_due()
    assert [row.entries for row in read_seals(store, trail)] == [1, 1]


def test_two_sealers_at_once_make_one_chain(store: Database, trail: Trail) -> None:
    fill(store, trail, *"abcdefgh")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Sealer(store, trail, lambda: NOW).seal(), range(4)))
    found = check(store, trail)
    assert (found.breaks, found.seals, found.entries) == ([], 1, 8)


def test_a_minute_without_entries_has_no_seal(
    store: Database, trail: Trail, sealed: list[int]
) -> None:
    Sealer(store, trail, lambda: NOW + 5 * INTERVAL).seal_due()
    assert len(read_seals(store, trail)) == 3


def test_writers_and_a_sealer_at_once(store: Database, trail: Trail) -> None:
    """However they interleave, the chain holds and covers everything in the end."""
    sealer, stopped = Sealer(store, trail, lambda: NOW), threading.Event()

    def seal_often() -> None:
        while not stopped.is_set():
            try:
                sealer.seal()
            except Busy:
                continue

    with ThreadPoolExecutor(5) as pool:
        sealing = pool.submit(seal_often)
        writing = [pool.submit(fill, store, trail, *(["x"] * 30)) for _ in range(4)]
        for each in writing:
            each.result()
        stopped.set()
        sealing.result()
    sealer.seal()
    found = check(store, trail)
    assert (found.breaks, found.tail, found.entries) == ([], [], 120)


def test_retention_keeps_the_digests(store: Database, trail: Trail) -> None:
    days = timedelta(days=1)
    for age, ids in ((400, "ab"), (366, "cd"), (10, "ef")):
        seal(store, trail, *ids, at=NOW - age * days)
    fill(store, trail, "g")
    before = [row.digest for row in read_seals(store, trail)]
    assert delete_old_entries(store, trail, 365 * days, NOW) == 4
    assert delete_old_entries(store, trail, 365 * days, NOW) == 0
    found = check(store, trail)
    assert (found.breaks, found.deleted_seals, found.entries, found.tail_entries) == ([], 2, 2, 1)
    assert [row.digest for row in read_seals(store, trail)] == before


def test_retention_does_not_hide_a_removal(store: Database, trail: Trail) -> None:
    for age in (400, 366, 10):
        seal(store, trail, "a", "b", at=NOW - timedelta(days=age))
    delete_old_entries(store, trail, timedelta(days=390), NOW)
    last = read_seals(store, trail)[-1]
    with store.write() as tx:
        gone = trail.entries.c.number > read_seals(store, trail)[1].last_number
        tx.execute(delete(trail.entries).where(gone))
        this = trail.seals.c.number == last.number
        tx.execute(update(trail.seals).where(this).values(deleted_at=NOW))
    (text,) = check(store, trail).breaks
    assert text.endswith("its entries are deleted, and older ones are not")


def test_a_digest_stays_what_it_was(store: Database, trail: Trail) -> None:
    """Seals of earlier versions are verified by it."""
    first = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    names = ("number", "at", "account", "actor", "rpc", "ids", "request_id", "outcome")
    entries = [
        (1, first, "shop", "ada@example.com", "GetOrder", '["ord_1"]', "r-1", "OK"),
        (2, datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC), None, None, "OpenCart", "[]", "r-2", "GONE"),
    ]
    with store.write() as tx:
        tx.execute(insert(trail.entries), [dict(zip(names, each, strict=True)) for each in entries])
    with store.read() as tx:
        rows = tx.execute(select(trail.entries).order_by(trail.entries.c.number)).all()
    digest = "fc9d3d0190718e85da688ab30dbe40f84057c27d31179005a3a8e45fdc88a82b"
    assert compute_digest(FIRST_DIGEST, rows) == digest

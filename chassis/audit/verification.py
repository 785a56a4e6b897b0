"""Verifies the audit trail: every seal against the entries that it covers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from chassis.audit.sealer import FIRST_DIGEST, compute_digest
from chassis.audit.trail import BEFORE_ALL, READ_BATCH, Trail

MAX_BREAKS = 100  # beyond this, they are counted


@dataclass
class Verification:
    """What a verification has found."""

    seals: int = 0
    entries: int = 0  # that the seals cover
    deleted_seals: int = 0  # whose entries retention has deleted
    head: Row[Any] | None = None  # the newest seal
    tail: list[int] = field(default_factory=list)  # first and last number of unsealed entries
    tail_entries: int = 0
    tail_since: datetime | None = None
    breaks: list[str] = field(default_factory=list)
    break_count: int = 0
    has_digest: bool = True  # whether the digest that was asked for is one of the seals'

    def add_break(self, text: str) -> None:
        """Note a break of the chain."""
        self.break_count += 1
        if len(self.breaks) < MAX_BREAKS:
            self.breaks.append(text)


def verify(
    tx: Connection,
    trail: Trail,
    digest: str | None = None,
    report: Callable[[int, str], None] = lambda *_: None,
) -> Verification:
    """Check every seal, and find the entries after the newest one; `tx` is of one snapshot.

    `digest` was noted before, outside of this store: it must be that of a seal. `report` is told
    the number of seals so far.
    """
    found = Verification(has_digest=digest is None)
    entries = _Entries(trail.read_span(tx, BEFORE_ALL, None))
    before, after, number = FIRST_DIGEST, 0, 0
    for seal in _read_seals(tx, trail):
        if seal.number != number + 1:
            found.add_break(f"seals {number + 1} to {seal.number - 1} are missing")
        _check_seal(found, seal, entries.take(seal.last_number), before, after)
        found.has_digest |= seal.digest == digest
        found.seals += 1
        found.head = seal
        report(found.seals, "")
        before, after, number = seal.digest, seal.last_number, seal.number
    _describe_tail(found, entries)
    return found


def _check_seal(
    found: Verification, seal: Row[Any], rows: Sequence[Row[Any]], before: str, after: int
) -> None:
    name = f"seal {seal.number} (entries {after + 1} to {seal.last_number})"
    if seal.deleted_at is not None:
        found.deleted_seals += 1
        if found.deleted_seals != found.seals + 1:
            found.add_break(f"{name}: its entries are deleted, and older ones are not")
        if rows:
            found.add_break(f"{name}: its entries were deleted, and {len(rows)} were inserted")
        return
    found.entries += len(rows)
    if len(rows) < seal.entries:
        found.add_break(f"{name}: {seal.entries - len(rows)} of {seal.entries} were removed")
    elif len(rows) > seal.entries:
        found.add_break(f"{name}: {len(rows) - seal.entries} were inserted")
    elif compute_digest(before, rows) != seal.digest:
        found.add_break(f"{name}: an entry, or the digest, was changed")


def _describe_tail(found: Verification, entries: "_Entries") -> None:
    for row in entries.rest():
        found.tail_entries += 1
        found.tail = [found.tail[0] if found.tail else row.number, row.number]
        found.tail_since = found.tail_since or row.at


class _Entries:
    """The entries in their order, taken span by span."""

    def __init__(self, rows: Iterator[Row[Any]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def take(self, last: int) -> list[Row[Any]]:
        """Return those up to a number that were not taken yet."""
        taken = []
        while self._next is not None and self._next.number <= last:
            taken.append(self._next)
            self._next = next(self._rows, None)
        return taken

    def rest(self) -> Iterator[Row[Any]]:
        """Yield all others."""
        while self._next is not None:
            yield self._next
            self._next = next(self._rows, None)


def _read_seals(tx: Connection, trail: Trail) -> Iterator[Row[Any]]:
    number, after = trail.seals.c.number, 0
    query = select(trail.seals).where(number > bindparam("after")).order_by(number)
    while rows := tx.execute(query.limit(READ_BATCH), {"after": after}).all():
        yield from rows
        after = rows[-1].number

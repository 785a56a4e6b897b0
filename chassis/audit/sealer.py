"""Seals the audit trail: once a minute one elected process chains a digest over new entries.

A seal covers every entry up to the newest committed one, so no entry may come later and have a
lower number. On SQLite writers take turns, and the sealer asks within a turn of its own. On
PostgreSQL transactions commit in another order than they take their numbers, so the sealer asks
while it holds the table in SHARE mode: that lock waits for every transaction that has added an
entry, and keeps others from taking a number. It is tried for `FENCE_MILLISECONDS` and held for one
query; as rows are only added, nothing depends on clocks or on how long a transaction may last.
"""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, select, text, update

from chassis.audit.trail import READ_BATCH, Trail
from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.errors import Busy
from chassis.store.database import Database, add_if_absent
from chassis.store.leases import Leases

POLL_SECONDS = 5.0
INTERVAL = timedelta(minutes=1)
LEASE_TIME = timedelta(minutes=1)  # after which another process takes the turn of a dead one
FENCE_MILLISECONDS = 200
FIRST_DIGEST = "0" * 64
SEALED_COLUMNS = 8  # the first ones of the table, up to `outcome`


class Sealer:
    """Seals the trail in one store; any number of processes may try."""

    def __init__(
        self, database: Database, trail: Trail, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.database = database
        self.trail = trail
        self.now = now
        self._leases = Leases(trail.turns.c.id, trail.turns.c.attempts)

    def create_loop(self) -> BackgroundLoop:
        """Return a loop that seals when it is due."""
        return BackgroundLoop("audit sealer", self.seal_due, POLL_SECONDS)

    def seal_due(self) -> None:
        """Seal what is new, if a minute has passed and no other process is at it."""
        now = self.now()
        with self.database.read() as tx:
            due_at = tx.execute(select(self.trail.turns.c.due_at)).scalar()
            if (due_at is not None and due_at > now) or not self._has_new(tx):
                return
        with self.database.write() as tx:
            if due_at is None:
                row = {"id": 1, "due_at": now, "attempts": 0}
                add_if_absent(tx, self.trail.turns, row)
            turn = next(iter(self._leases.take(tx, 1, now, LEASE_TIME)), None)
        if turn is None:
            return
        try:
            self.seal()
            wait = INTERVAL
        except Busy:  # a transaction takes its time: try again at the next poll
            wait = timedelta()
        with self.database.write() as tx:
            self._leases.settle(tx, turn, {"due_at": now + wait})

    def seal(self) -> int:
        """Seal every entry that is committed by now; returns how many seals that took."""
        last, sealed = self._find_last_entry(), 0
        while self._seal_span(last):
            sealed += 1
        return sealed

    def _has_new(self, tx: Connection) -> bool:
        after = find_newest_seal(tx, self.trail)
        number = self.trail.entries.c.number
        query = select(number).where(number > (after.last_number if after else 0)).limit(1)
        return tx.execute(query).first() is not None

    def _find_last_entry(self) -> int:
        """Return the highest number, once no lower one can be committed any more."""
        table = self.trail.entries
        with self.database.write() as tx:
            if not self.database.is_sqlite:
                tx.execute(text(f"SET LOCAL lock_timeout = {FENCE_MILLISECONDS}"))
                tx.execute(text(f"LOCK TABLE {table.name} IN SHARE MODE"))
            return tx.execute(select(func.max(table.c.number))).scalar() or 0

    def _seal_span(self, last: int) -> bool:
        """Seal the next entries up to `last`; False if there are none, or another has sealed."""
        entries, seals = self.trail.entries, self.trail.seals
        with self.database.read() as tx:
            before = find_newest_seal(tx, self.trail)
            number = entries.c.number
            after = before.last_number if before else 0
            query = select(entries).where(number > after, number <= last)
            rows = tx.execute(query.order_by(number).limit(READ_BATCH)).all()
        if not rows:
            return False
        row = {
            "number": before.number + 1 if before else 1,
            "last_number": rows[-1].number,
            "entries": len(rows),
            "digest": compute_digest(before.digest if before else FIRST_DIGEST, rows),
            "sealed_at": self.now(),
        }
        with self.database.write() as tx:
            return add_if_absent(tx, seals, row)


def find_newest_seal(tx: Connection, trail: Trail) -> Row[Any] | None:
    """Return the newest seal."""
    return tx.execute(select(trail.seals).order_by(trail.seals.c.number.desc()).limit(1)).first()


def compute_digest(before: str, entries: Iterable[Row[Any]]) -> str:
    """Return the digest over the one before it and these entries: SHA-256 in hexadecimal."""
    digest, encode = hashlib.sha256(before.encode()), msgspec.json.Encoder().encode
    for row in entries:
        number, at, *others = row[:SEALED_COLUMNS]
        digest.update(encode([number, at.isoformat(), *others]) + b"\n")
    return digest.hexdigest()


def delete_old_entries(
    database: Database, trail: Trail, retention: timedelta, now: datetime
) -> int:
    """Delete the entries of seals older than the retention; returns how many. Seals are kept."""
    seals, entries, deleted = trail.seals, trail.entries, 0
    old = (
        select(seals)
        .where(seals.c.deleted_at.is_(None), seals.c.sealed_at <= now - retention)
        .order_by(seals.c.number)
        .limit(1)
    )
    while True:
        with database.write() as tx:
            seal = tx.execute(old).first()
            if seal is None:
                return deleted
            gone = delete(entries).where(entries.c.number <= seal.last_number)
            deleted += tx.execute(gone).rowcount
            this = seals.c.number == seal.number
            tx.execute(update(seals).where(this).values(deleted_at=now))

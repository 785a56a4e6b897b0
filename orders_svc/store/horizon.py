"""How far a list may be polled for newer orders, so that none that commits late is missed.

Whoever polls `ending_before` their newest order asks for what has a later `created_at`, and a lab
that polls its queue `starting_after` the last one for what has a later `submitted_at`. An order
that was written earlier and commits later would then never be shown to them. So such a page ends
at a horizon: no order that is invisible to the page, or is still to come, has a time before it.

On PostgreSQL both times are read from the database's clock, the same for every process, after the
order's transaction has its id (`WRITTEN_AT`). A poll reads that clock, T, and then the
next id to be assigned, n. Once every transaction below n has ended (`pg_snapshot_xmin` is at least
n), whatever the page does not see has an id from n on, was given it after T, and read the clock
later still: the horizon is T. Ids of rows below `pg_snapshot_xmin` would not do: of two open
transactions the one with the lower id may read the clock last.

Transactions of other databases count there, too, and one may stay open. So after
`PATIENCE_SECONDS` only writers of this table count: they hold its lock from before they read the
clock until they are visible, and the horizon is the start of the oldest of them. No writer waits
for a poll, and what a writer hides appears as soon as that writer has ended.

SQLite has one writer at a time, which reads the clock in its turn, and needs no horizon. Stores
that speak PostgreSQL's protocol without its snapshots and locks have none, nor have replicas,
which know of no writer's lock.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    bindparam,
    literal_column,
    select,
    text,
)

from chassis.context import utc_now
from orders_svc.store.tables import orders

LIVE = timedelta(minutes=1)
PATIENCE_SECONDS = 0.05  # for transactions that are about to end
POLL_SECONDS = 0.005
# The branch of a CASE is evaluated after its condition, which assigns the transaction's id.
_WRITE: Any = literal_column(
    "CASE WHEN pg_current_xact_id() IS NOT NULL THEN clock_timestamp() END",
    orders.c.created_at.type,
)
# Of a WITH, so that the clock is read once for all columns that a statement sets.
WRITTEN_AT: Any = select(_WRITE.label("at")).cte("write").select().scalar_subquery()
# The statement's timestamp is older than its snapshot, and that is older than the age's counter.
_CLOCK = text(
    "SELECT statement_timestamp() AS at, pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    " AS oldest, age(pg_snapshot_xmin(pg_current_snapshot())::xid) AS unfinished"
)
_OLDEST_WRITER = text(
    "SELECT count(*) - count(activity.xact_start) AS hidden,"
    " least(min(activity.xact_start), statement_timestamp()) AS at"
    " FROM pg_locks AS held LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid"
    " WHERE held.locktype = 'relation' AND held.mode = 'RowExclusiveLock' AND held.granted"
    " AND held.relation = CAST(:table AS regclass) AND held.pid IS DISTINCT FROM pg_backend_pid()"
    " AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
).bindparams(bindparam("table", orders.name))


def is_live(now: datetime) -> bool:
    """Whether `now` is about the present; history that is brought in is not."""
    return abs(utc_now() - now) < LIVE


def find_time_of_write(tx: Connection, now: datetime) -> datetime | None:
    """Return the time of a write whose caller's `now` is earlier; None if it reads `WRITTEN_AT`.

    SQLite's clock is read here, in the writer's turn. History keeps its own time.
    """
    if not is_live(now):
        return now
    return utc_now() if tx.dialect.name == "sqlite" else None


def find_horizon(tx: Connection) -> datetime | None:
    """Return the moment before which every order is visible; None where there is no need to ask."""
    if tx.dialect.name == "sqlite":
        return None
    first = tx.execute(_CLOCK).one()
    moment: datetime = first.at
    oldest, next_id = first.oldest, first.oldest + first.unfinished
    patient_until = monotonic() + PATIENCE_SECONDS
    while oldest < next_id:
        if monotonic() > patient_until:
            return _find_oldest_writer(tx)
        sleep(POLL_SECONDS)
        oldest = tx.execute(_CLOCK).one().oldest
    return moment


def _find_oldest_writer(tx: Connection) -> datetime:
    """Return when the oldest open writer of orders began: now, if there is none."""
    found = tx.execute(_OLDEST_WRITER).one()
    began: datetime = found.at
    # Another role's transactions hide their start.
    return datetime.min.replace(tzinfo=UTC) if found.hidden else began


def build_horizon_conditions(
    tx: Connection, moment: Column[datetime] = orders.c.created_at
) -> list[ColumnElement[bool]]:
    """Return the condition that ends a page of orders that are newer by `moment`."""
    horizon = find_horizon(tx)
    return [] if horizon is None else [moment < horizon]

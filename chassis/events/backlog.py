"""How many events wait in an outbox, and for how long: of healthy owners, and of failing ones.

A failing owner is one with a pending event whose last attempt failed: old events of a failing owner
are the owner's trouble, those of others are ours.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal_column, select

from chassis.events.outbox import Outbox

HEALTHY, FAILING = "healthy", "failing"
_PENDING: ColumnElement[str] = literal_column(
    "'pending'"
)  # a literal, so that the partial index is used
OWNER_CLASSES = (HEALTHY, FAILING)


class Backlog(NamedTuple):
    """The pending events of one class of owners."""

    events: int = 0
    oldest: datetime | None = None  # when the first of them was added


def measure_backlog(tx: Connection, outbox: Outbox) -> Mapping[str, Backlog]:
    """Return the backlog of each class of owners."""
    columns = outbox.table.c
    failed = and_(columns.last_error.is_not(None), columns.attempts > 0)
    owners = (
        select(
            func.count().label("events"),
            func.min(columns.created_at).label("oldest"),
            func.max(case((failed, 1), else_=0)).label("fails"),
        )
        .where(columns.state == _PENDING)
        .group_by(columns.owner)
        .subquery()
    )
    query = select(owners.c.fails, func.sum(owners.c.events), func.min(owners.c.oldest))
    rows = tx.execute(query.group_by(owners.c.fails)).all()
    found = {OWNER_CLASSES[fails]: Backlog(int(events), oldest) for fails, events, oldest in rows}
    return {name: found.get(name, Backlog()) for name in OWNER_CLASSES}

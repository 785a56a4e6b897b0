"""The drops and endpoints of labs, and the turns in which their status files are read.

A lab is an owner of the outbox under a name that no account can have.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, select, update

from chassis.store.database import Instant, add_if_absent
from chassis.store.leases import Leases
from orders_svc.store.tables import labs, outbox, status_polls

LAB_PREFIX = "lab:"  # accounts have no colon in their names: HTTP Basic ends them there
POLL_LEASE = timedelta(seconds=120)  # far longer than reading a drop takes
_FIND_DROP = select(labs.c.job_drop).where(labs.c.id == bindparam("lab_id"))
_LIST_DROPS = select(labs.c.id, labs.c.job_drop).where(labs.c.job_drop.is_not(None))
_HAS_DUE = select(exists().where(status_polls.c.due_at <= bindparam("now", type_=Instant())))
_polls = Leases(status_polls.c.lab_id, status_polls.c.attempts)


def name_owner(lab_id: str) -> str:
    """Return the owner under which the outbox knows a lab."""
    return LAB_PREFIX + lab_id


def put_transport(
    tx: Connection,
    lab_id: str,
    drop: Mapping[str, Any] | None,
    endpoint: dict[str, Any] | None,
    now: datetime,
) -> None:
    """Set how a lab receives its jobs: by a drop, by an endpoint, or (None, None) not at all."""
    tx.execute(update(labs).where(labs.c.id == lab_id).values(job_drop=drop))
    outbox.endpoints.put(tx, name_owner(lab_id), endpoint, now)
    if drop and drop["status_files"]:
        row = {"lab_id": lab_id, "due_at": now, "attempts": 0, "files": {}}
        if not add_if_absent(tx, status_polls, row):
            again = {"due_at": now, "attempts": 0}
            tx.execute(update(status_polls).where(status_polls.c.lab_id == lab_id).values(again))
    else:
        tx.execute(delete(status_polls).where(status_polls.c.lab_id == lab_id))


def has_transport(tx: Connection, lab_id: str) -> bool:
    """Return whether jobs are sent to a lab."""
    return outbox.endpoints.find(tx, name_owner(lab_id)) is not None


def list_reached_labs(tx: Connection, lab_ids: Collection[str]) -> set[str]:
    """Return those of these labs to which jobs are sent."""
    owner = outbox.endpoints.table.c.owner
    found = tx.execute(select(owner).where(owner.in_([name_owner(each) for each in lab_ids])))
    return {each.removeprefix(LAB_PREFIX) for each in found.scalars()}


def find_drop(tx: Connection, lab_id: str) -> dict[str, Any] | None:
    """Return a lab's drop, if it has one."""
    found: dict[str, Any] | None = tx.execute(_FIND_DROP, {"lab_id": lab_id}).scalar()
    return found


def find_shared_inboxes(tx: Connection) -> dict[str, str]:
    """Return labs whose status files come in where those of another lab do, which is told, too."""
    first: dict[str, str] = {}
    shared: dict[str, str] = {}
    for lab_id, drop in tx.execute(_LIST_DROPS):
        if drop["status_files"]:
            server = drop["sftp"] or {}
            place = ":".join(str(server.get(name)) for name in ("host", "port", "user"))
            other = first.setdefault(f"{place}:{drop['in']}", lab_id)
            if other != lab_id:
                shared |= {lab_id: other, other: lab_id}
    return shared


def has_due_poll(tx: Connection, now: datetime) -> bool:
    """Return whether the drop of a lab is to be read."""
    return bool(tx.execute(_HAS_DUE, {"now": now}).scalar())


def lease_polls(tx: Connection, limit: int, now: datetime) -> Sequence[Row[Any]]:
    """Lease the drops that have waited longest for being read."""
    return _polls.take(tx, limit, now, POLL_LEASE)


def settle_poll(tx: Connection, leased: Row[Any], values: dict[str, Any]) -> bool:
    """Write what came of reading a drop; False if another process has it by now."""
    return _polls.settle(tx, leased, values)

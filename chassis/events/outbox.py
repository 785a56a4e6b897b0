"""A transactional outbox: events are committed with their change and kept until delivered.

How a service uses it:

1. In its tables: `outbox = Outbox(metadata)`. An owner is an account's name or a merchant's id.
2. In the transaction of the change, after the stream's row is locked or changed:
   `outbox.add(tx, Event(owner, stream, type, body), now)`. For an owner without an endpoint it
   writes nothing. A body that includes the event's id takes it from `generate_event_id()`.
3. In its reference data: `endpoint = endpoint_field(EVENTS)` in the owner's schema, and on load
   `outbox.endpoints.put(tx, owner, endpoint, now)`.

Events of one stream (a session, an order) are delivered in the order in which they were added:
a change locks its row, so of two transactions on one stream the later one adds later. An event
waits while an earlier one of its stream is pending. `chassis.events.dispatcher` delivers.
"""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    insert,
    literal_column,
    null,
    or_,
    select,
    update,
)

from chassis.errors import NotFound, WrongState
from chassis.events.endpoints import Endpoints, build_endpoints_table
from chassis.events.states import CANCELLED, DEAD, DECLINED, DELIVERED, PENDING
from chassis.spans.recording import get_traceparent
from chassis.store.database import COUNTED, Instant, partial_index, wake_on_commit
from chassis.store.encryption.columns import Personal
from chassis.store.leases import Leases
from chassis.store.prepared import Prepared

TEST = "test"  # the type of an event that is sent by hand
# How long an event is kept once it is no longer pending.
RETENTION = {
    DELIVERED: timedelta(days=7),
    DECLINED: timedelta(days=7),
    DEAD: timedelta(days=30),
    CANCELLED: timedelta(days=30),
}
# A literal, so that a plan made without parameters can use the partial indexes.
_PENDING: ColumnElement[str] = literal_column("'pending'")
_IS_PENDING = "state = 'pending'"


def build_outbox_table(metadata: MetaData) -> Table:
    """The table of events, the same in each service."""
    return Table(
        "outbox",
        metadata,
        # The order within a stream.
        Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("id", String(64), nullable=False, unique=True),
        Column("owner", String(255), nullable=False),
        Column("stream", String(100), nullable=False),
        Column("type", String(100), nullable=False),
        Column("content_type", String(100), nullable=False),
        Column("body", Text, nullable=False),
        Column("state", String(16), nullable=False),
        Column("attempts", Integer, nullable=False),  # started
        Column("created_at", Instant(), nullable=False),
        Column("due_at", Instant(), nullable=False),  # of a leased event: when the lease ends
        Column("ended_at", Instant(), index=True),  # when it ceased to be pending
        Column("last_status", Integer),
        Column("last_error", String(32)),  # a reason of chassis.events.courier
        Column("traceparent", String(64)),  # of the request that caused it, where it is traced
        partial_index("ix_outbox_due", "owner", "due_at", where=_IS_PENDING),
        partial_index("ix_outbox_stream", "owner", "stream", "sequence", where=_IS_PENDING),
    )


def generate_event_id() -> str:
    """A random id for an event."""
    return "evt_" + secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as it is sent to its owner's endpoint."""

    owner: str
    stream: str
    type: str
    body: str
    content_type: str = "application/json"
    on_request: bool = False  # sent only to endpoints that list its type
    id: str = field(default_factory=generate_event_id)


def build_test_event(owner: str, now: datetime) -> Event:
    """Return what `events test` sends: an event that reports nothing."""
    body = {"type": TEST, "timestamp": now}
    return Event(owner, TEST, TEST, msgspec.json.encode(body).decode())


class Outbox:
    """The events in a service's database."""

    def __init__(self, metadata: MetaData) -> None:
        self.table = build_outbox_table(metadata)
        self.personal = Personal(self.table, ["id"], ["body"])
        endpoints = build_endpoints_table(metadata)
        self.endpoints = Endpoints(endpoints, self.table)
        self._add = Prepared(self._insert(endpoints))
        columns, earlier = self.table.c, self.table.alias("earlier")
        is_first = ~exists().where(
            earlier.c.state == _PENDING,
            earlier.c.owner == columns.owner,
            earlier.c.stream == columns.stream,
            earlier.c.sequence < columns.sequence,
        )
        deliverable = and_(columns.state == _PENDING, is_first)
        self._owners = select(endpoints.c.owner).where(
            endpoints.c.disabled_at.is_(None),
            exists().where(
                columns.owner == endpoints.c.owner,
                deliverable,
                columns.due_at <= bindparam("now"),
            ),
        )
        self._leases = Leases(
            columns.sequence,
            columns.attempts,
            columns.owner == bindparam("where_owner"),
            deliverable,
        )

    def _insert(self, endpoints: Table) -> Any:
        live = endpoints.c.disabled_at.is_(None)
        now: ColumnElement[Any] = bindparam("now", type_=Instant())
        names = ("id", "owner", "stream", "type", "content_type", "body")
        values: dict[str, ColumnElement[Any]] = {
            **{name: bindparam(name, type_=self.table.c[name].type) for name in names},
            "state": case((live, PENDING), else_=CANCELLED),
            "attempts": bindparam("attempts", 0, type_=Integer()),
            "traceparent": bindparam("traceparent", type_=String()),
            "created_at": now,
            "due_at": now,
            "ended_at": case((live, null()), else_=now),
        }
        default = and_(
            endpoints.c.events.is_(None), bindparam("on_request", type_=Boolean()) == false()
        )
        requested = endpoints.c.events.like(bindparam("type_pattern", type_=Text()), escape="!")
        row = select(*values.values()).where(
            endpoints.c.owner == bindparam("owner", type_=String()), or_(default, requested)
        )
        statement = insert(self.table).from_select(list(values), row)
        return statement.execution_options(**COUNTED)

    def add(self, tx: Connection, event: Event, now: datetime) -> str | None:
        """Store an event in the transaction of its change; returns its id.

        If the owner has no endpoint, or the endpoint does not want this type,
        nothing is stored and None is returned. While the endpoint is disabled the
        event is stored as cancelled.
        """
        name = event.type.replace("!", "!!").replace("_", "!_").replace("%", "!%")
        row = {**asdict(event), "now": now, "type_pattern": f"% {name} %"}
        row["traceparent"] = get_traceparent()
        if self._add.execute(tx, self.personal.seal(tx, row)) != 1:
            return None
        wake_on_commit()
        return event.id

    def list_due_owners(self, tx: Connection, now: datetime) -> list[str]:
        """The owners with events that can be delivered now."""
        return list(tx.execute(self._owners, {"now": now}).scalars())

    def lease(
        self, tx: Connection, owner: str, limit: int, now: datetime, lease: timedelta
    ) -> Sequence[Row[Any]]:
        """Lease the events of an owner that are due, oldest first; it counts as an attempt."""
        leased = self._leases.take(tx, limit, now, lease, where_owner=owner)
        return sorted(self.personal.open_all(tx, leased), key=lambda row: row.sequence)

    def settle(self, tx: Connection, leased: Row[Any], values: dict[str, Any]) -> bool:
        """Write the outcome of an attempt; False when its lease was lost to another dispatcher.

        An event cancelled during the attempt may have arrived all the same, but is not retried.
        """
        before = (PENDING,) if values["state"] == PENDING else (PENDING, CANCELLED)
        return self._leases.settle(tx, leased, values, self.table.c.state.in_(before))

    def find(
        self,
        tx: Connection,
        limit: int,
        owner: str | None = None,
        state: str | None = None,
        type: str | None = None,
        stream: str | None = None,
    ) -> Sequence[Row[Any]]:
        """The newest events, newest first."""
        filters = {"owner": owner, "state": state, "type": type, "stream": stream}
        wanted = [self.table.c[name] == value for name, value in filters.items() if value]
        newest = self.table.c.sequence.desc()
        rows = tx.execute(select(self.table).where(*wanted).order_by(newest).limit(limit)).all()
        return self.personal.open_all(tx, rows)

    def get(self, tx: Connection, event_id: str) -> Row[Any]:
        """An event by its id; raises NotFound."""
        row = tx.execute(select(self.table).where(self.table.c.id == event_id)).first()
        if row is None:
            raise NotFound("No such event; it may have expired.")
        return row

    def replay(self, tx: Connection, event_id: str, now: datetime) -> None:
        """Deliver an event again under the same id; raises NotFound, WrongState."""
        self._ensure_enabled(tx, self.get(tx, event_id).owner)
        one = self.table.c.id == event_id
        tx.execute(update(self.table).where(one).values(self._reset_values(now)))
        wake_on_commit()

    def replay_all(self, tx: Connection, owner: str, states: Sequence[str], now: datetime) -> int:
        """Deliver an owner's events in these states again; returns how many."""
        self._ensure_enabled(tx, owner)
        some = (self.table.c.owner == owner) & self.table.c.state.in_(states)
        wake_on_commit()
        return tx.execute(update(self.table).where(some).values(self._reset_values(now))).rowcount

    def _reset_values(self, now: datetime) -> dict[str, Any]:
        return {"state": PENDING, "attempts": 0, "due_at": now, "ended_at": None}

    def _ensure_enabled(self, tx: Connection, owner: str) -> None:
        if self.endpoints.get(tx, owner).disabled_at:
            raise WrongState("The endpoint is disabled (it answered 410): run `events enable`.")

    def list_bodies(self, tx: Connection, streams: Sequence[str]) -> list[dict[str, Any]]:
        """What the events of streams say, oldest first; they are not read for delivery."""
        names = ("id", "owner", "stream", "type", "body", "state", "created_at")
        query = select(*(self.table.c[name] for name in names)).order_by(self.table.c.sequence)
        rows = tx.execute(query.where(self.table.c.stream.in_(streams)))
        return [dict(row._mapping) for row in self.personal.open_all(tx, rows)]

    def delete_stream(self, tx: Connection, owner: str, stream: str) -> int:
        """Delete the events of a stream, sent or not, since they hold what must go."""
        of_stream = (self.table.c.owner == owner) & (self.table.c.stream == stream)
        return tx.execute(delete(self.table).where(of_stream)).rowcount

    def delete_expired(self, tx: Connection, now: datetime) -> int:
        """Delete the events whose retention is over; returns how many."""
        expired = [
            and_(self.table.c.state == state, self.table.c.ended_at <= now - retention)
            for state, retention in RETENTION.items()
        ]
        return tx.execute(delete(self.table).where(or_(*expired))).rowcount

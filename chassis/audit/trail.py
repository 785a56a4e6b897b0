"""The tables of the audit trail, and the entries in them.

The store numbers the entries. A seal covers the numbers after those of the seal before it, up to
its `last_number`; see `chassis.audit.sealer` for why no entry can join a span that is sealed.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Insert,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
)

from chassis.context import Call, get_current_call, utc_now
from chassis.settings.roles import STAFF
from chassis.store.database import Instant
from chassis.store.prepared import Prepared

OK, REPLAYED = "OK", "REPLAYED"  # outcomes of calls that were not refused
STAFF_ACTOR, LINK_ACTOR = "staff", "link"  # who acts where no user is named
MAX_IDS = 200  # in one entry; beyond this they are counted
BEFORE_ALL = -(2**63)  # also before numbers that the store would never give
READ_BATCH = 5000  # entries in memory at a time
BIG_NUMBER = BigInteger().with_variant(Integer, "sqlite")
PARAMETER_PREFIX = "audit_"  # of an entry's columns within another statement
S = TypeVar("S", bound=Insert)


def build_entries_table(metadata: MetaData) -> Table:
    """The table of entries; rows are added, and deleted by retention, and never changed."""
    return Table(
        "audit_entries",
        metadata,
        Column("number", BIG_NUMBER, primary_key=True),
        Column("at", Instant(), nullable=False),
        Column("account", String(64)),  # its name; null for a link's holder and for a command
        Column("actor", String(254)),  # a dashboard user, staff, link, or a user of this machine
        Column("rpc", String(120), nullable=False),
        Column("ids", Text, nullable=False),  # a JSON array of what was read or changed
        Column("request_id", String(128), nullable=False),
        Column("outcome", String(64), nullable=False),  # OK, REPLAYED or the refusal's reason
        sqlite_autoincrement=True,  # the number of a deleted entry is not used again
    )


def build_seals_table(metadata: MetaData) -> Table:
    """The table of digests, each over a span of entries and the digest before it."""
    return Table(
        "audit_seals",
        metadata,
        Column("number", BIG_NUMBER, primary_key=True, autoincrement=False),
        Column("last_number", BigInteger, nullable=False),  # of an entry
        Column("entries", Integer, nullable=False),
        Column("digest", String(64), nullable=False),
        Column("sealed_at", Instant(), nullable=False),
        Column("deleted_at", Instant()),  # when retention deleted its entries
    )


def build_turns_table(metadata: MetaData) -> Table:
    """The table with one row, leased by the sealer whose turn it is."""
    return Table(
        "audit_turns",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("due_at", Instant(), nullable=False),
        Column("attempts", BigInteger, nullable=False),
    )


class Trail:
    """The audit trail in one service's database."""

    def __init__(self, metadata: MetaData) -> None:
        self.entries = build_entries_table(metadata)
        self.seals = build_seals_table(metadata)
        self.turns = build_turns_table(metadata)
        self._add = Prepared(insert(self.entries))
        self._names = [each.name for each in self.entries.c if each.name != "number"]

    def add(self, tx: Connection, *entries: dict[str, Any]) -> None:
        """Add entries; a change adds its own in its transaction."""
        if len(entries) == 1:
            self._add.execute(tx, entries[0])
        else:
            self._add.execute_many(tx, entries)

    def record_change(self, tx: Connection) -> None:
        """Add the entry of the call that this thread serves to its transaction, once a call."""
        call = get_current_call()
        if call.is_audited or not (call.account or call.ids or call.is_actor_known):
            return
        self.add(tx, describe_call(call, OK))
        call.is_audited = True

    def combine(self, statement: S, given: CTE | None = None) -> S:
        """An INSERT that adds an entry besides, for PostgreSQL: both in one round trip.

        Its parameters are those of the statement and of `build_parameters`. The entry is added once
        for each row of `given`, or once without it.
        """
        values = select(
            *(
                bindparam(PARAMETER_PREFIX + name, type_=self.entries.c[name].type)
                for name in self._names
            )
        )
        if given is not None:
            values = values.select_from(given)
        entry = insert(self.entries).from_select(self._names, values, include_defaults=False)
        return statement.add_cte(entry.cte("audited"))

    def find(
        self,
        tx: Connection,
        *,
        since: datetime | None = None,
        account: str | None = None,
        id_: str | None = None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """The newest entries that match, newest first."""
        columns = self.entries.c
        query = select(self.entries).where(*self._match(tx, since, account, id_))
        return tx.execute(query.order_by(columns.number.desc()).limit(limit)).all()

    def count_seals(self, tx: Connection) -> int:
        """Return how many seals there are."""
        count: int = tx.execute(select(func.count()).select_from(self.seals)).scalar_one()
        return count

    def stream(
        self,
        tx: Connection,
        *,
        since: datetime | None = None,
        account: str | None = None,
        id_: str | None = None,
    ) -> Iterator[Row[Any]]:
        """Yield every entry that matches, oldest first."""
        yield from self.read_span(tx, BEFORE_ALL, None, *self._match(tx, since, account, id_))

    def read_span(
        self, tx: Connection, after: int, last: int | None, *conditions: ColumnElement[bool]
    ) -> Iterator[Row[Any]]:
        """Yield the entries after a number, up to the last one, in their order."""
        number = self.entries.c.number
        if last is not None:
            conditions = (*conditions, number <= last)
        query = select(self.entries).where(number > bindparam("after"), *conditions)
        query = query.order_by(number).limit(READ_BATCH)
        while rows := tx.execute(query, {"after": after}).all():
            yield from rows
            after = rows[-1].number

    def _match(
        self, tx: Connection, since: datetime | None, account: str | None, id_: str | None
    ) -> list[ColumnElement[bool]]:
        columns, conditions = self.entries.c, []
        if since is not None:
            # All entries of a span that was sealed before are older: their index is their number.
            sealed = select(func.max(self.seals.c.last_number)).where(
                self.seals.c.sealed_at < since
            )
            conditions.append(columns.number > (tx.execute(sealed).scalar() or 0))
            conditions.append(columns.at >= since)
        if account is not None:
            conditions.append(columns.account == account)
        if id_ is not None:
            conditions.append(columns.ids.contains(_encode(id_), autoescape=True))
        return conditions


def build_parameters() -> dict[str, Any]:
    """Return the entry of this thread's call as the parameters of a combined statement."""
    call = get_current_call()
    entry = describe_call(call, OK)
    call.is_audited = True
    return {PARAMETER_PREFIX + name: value for name, value in entry.items()}


def describe_call(call: Call, outcome: str) -> dict[str, Any]:
    """Return the entry of a call."""
    return build_entry(
        account=call.account.name if call.account else None,
        actor=_find_actor(call),
        rpc=call.rpc.rpartition(".")[2],
        ids=call.ids,
        request_id=call.request_id,
        outcome=outcome,
    )


def build_entry(
    *,
    account: str | None,
    actor: str | None,
    rpc: str,
    ids: Sequence[str],
    request_id: str,
    outcome: str = OK,
) -> dict[str, Any]:
    """Return an entry of now."""
    if len(ids) > 1:
        ids = list(dict.fromkeys(ids))
        if len(ids) > MAX_IDS:
            ids = [*ids[:MAX_IDS], f"and {len(ids) - MAX_IDS} more"]
    return {
        "at": utc_now(),
        "account": account,
        "actor": actor,
        "rpc": rpc,
        "ids": _encode(ids),
        "request_id": request_id,
        "outcome": outcome,
    }


def decode_ids(entry: Row[Any]) -> list[str]:
    """Return the ids of an entry."""
    ids: list[str] = msgspec.json.decode(entry.ids)
    return ids


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _find_actor(call: Call) -> str | None:
    """Return who acts: a user that the service knows, or else what kind of caller it is."""
    if call.is_actor_known:
        return call.actor
    if call.account is None:
        return LINK_ACTOR
    return STAFF_ACTOR if call.account.role == STAFF else None

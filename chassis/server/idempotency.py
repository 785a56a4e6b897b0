"""Idempotency keys: one key, one effect.

The last statement of the transaction with the effect stores the response under the key, or the only
one does both. A twin finds the key taken there, has no effect, and returns the stored response.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import (
    CTE,
    BindParameter,
    Column,
    Connection,
    Insert,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    String,
    Table,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    tuple_,
    update,
)

from chassis.context import IDEMPOTENCY_HEADER, Call, get_current_call
from chassis.errors import IDEMPOTENCY_MISMATCH, Busy, Fault, Invalid
from chassis.store.database import Database, Instant, upsert
from chassis.store.encryption.columns import Personal, find_keyring
from chassis.store.prepared import Prepared

KEY_LIFETIME = timedelta(hours=24)
OPEN_BATCH = 1000  # responses that are opened at once
PARAMETER_PREFIX = "kept_"  # of a row's columns within another statement
_SCOPE = ("account_id", "rpc", "key")
M = TypeVar("M", bound=Message)


class KeyTaken(Busy):
    """A response is stored under the key, so that nothing was done."""

    def __init__(self) -> None:
        super().__init__("Another request has this idempotency key; try again.")


def build_idempotency_table(metadata: MetaData) -> Table:
    """The table of stored responses, the same in each service."""
    return Table(
        "idempotency_keys",
        metadata,
        Column("account_id", Integer, primary_key=True, autoincrement=False),
        Column("rpc", String(120), primary_key=True),
        Column("key", String(255), primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("response", LargeBinary, nullable=False),
        Column("expires_at", Instant(), nullable=False, index=True),
    )


def fingerprint(call: Call, request: Message) -> bytes:
    """A digest of what makes two requests equal: their fields and their actor."""
    digest = hashlib.sha256(call.actor.encode() + b"\0")
    digest.update(request.SerializeToString(deterministic=True))
    return digest.digest()


class IdempotencyKeys:
    """The keys and stored responses of one service."""

    def __init__(self, table: Table) -> None:
        self.table = table
        identity = ("account_id", "rpc", "key")
        self.personal = Personal(table, identity, ("fingerprint", "response"))
        scope = (
            (table.c.account_id == bindparam("account_id"))
            & (table.c.rpc == bindparam("rpc"))
            & (table.c.key == bindparam("key"))
        )
        live = table.c.expires_at > bindparam("now")
        self._find = Prepared(select(table.c.fingerprint, table.c.response).where(scope, live))
        self._blank = (
            update(table)
            .where(*(table.c[name] == bindparam(f"where_{name}") for name in _SCOPE))
            .values(response=bindparam("response"))
        )
        self._save = Prepared(_build_upsert(table, bindparam("now")))

    def find(self, database: Database, call: Call, response: type[M]) -> M | None:
        """The response stored for this call; raises Invalid if its key was used otherwise."""
        with database.read(single=True) as tx:
            scope = _build_scope(call) | {"now": datetime.now(UTC)}
            found = self._find.first(tx, scope)
            if found is None:
                return None
            row = self.personal.open(tx, found, scope)
        if row.fingerprint != call.fingerprint:
            raise build_key_mismatch()
        return response.FromString(row.response)

    def ensure_free(self, database: Database) -> None:
        """Raise KeyTaken if a response is stored for this thread's call; it waits for no writer."""
        call = get_current_call()
        if call.idempotency_key:
            with database.read(single=True) as tx:
                scope = _build_scope(call) | {"now": datetime.now(UTC)}
                if self._find.first(tx, scope) is not None:
                    raise KeyTaken

    def save(self, tx: Connection, response: M) -> M:
        """Store the response if the caller sent a key; raises KeyTaken."""
        call, now = get_current_call(), datetime.now(UTC)
        if not call.idempotency_key:
            return response
        row = _build_row(call, response, now) | {"now": now}
        if self._save.execute(tx, self.personal.seal(tx, row)) != 1:
            raise KeyTaken
        return response

    def build_claim(self) -> CTE:
        """A part of a statement for PostgreSQL that stores a response, and then returns a row.

        It returns none where the key is taken, and waits for no lock on the key's row unless that
        is being stored. Its parameters are those of `build_parameters`.
        """
        table = self.table
        values = {
            column.name: bindparam(PARAMETER_PREFIX + column.name, type_=column.type)
            for column in table.c
        }
        now = bindparam(PARAMETER_PREFIX + "now", type_=Instant())
        taken = [table.c[name] == values[name] for name in _SCOPE]
        free = select(*values.values()).where(~exists().where(*taken, table.c.expires_at > now))
        statement = _build_upsert(table, now).from_select(
            list(values), free, include_defaults=False
        )
        return statement.returning(table.c.account_id).cte("claim")

    def blank_answers(self, tx: Connection, ids: Collection[str], fields: Iterable[str]) -> int:
        """Clear fields of the responses kept about these ids; returns how many were.

        A repeat of such a request still has no second effect.
        """
        names, blanked = frozenset(fields), 0
        for id_, row in self._find_about(tx, ids):
            answer = _parse_answer(row.rpc, row.response)
            if _is_about(answer, id_) and _clear_fields(answer, names):
                values = {"response": answer.SerializeToString()}
                key = {f"where_{name}": getattr(row, name) for name in _SCOPE}
                tx.execute(self._blank, key | self.personal.seal(tx, values, row._mapping))
                blanked += 1
        return blanked

    def _find_about(self, tx: Connection, ids: Collection[str]) -> Iterator[tuple[str, Row[Any]]]:
        """Yield the responses in which the bytes of ids occur; sealed ones are all opened."""
        if find_keyring(tx) is None:
            for id_ in ids:
                for row in tx.execute(self._select_about(tx, id_)):
                    yield id_, row
            return
        for row in self._open_all(tx):
            for id_ in ids:
                if id_.encode() in row.response:
                    yield id_, row

    def _open_all(self, tx: Connection) -> Iterator[Row[Any]]:
        """Yield every kept response, opened, in batches."""
        scope = [self.table.c[name] for name in _SCOPE]
        page = select(*scope, self.table.c.response).order_by(*scope).limit(OPEN_BATCH)
        rows: Any = tx.execute(page).all()
        while rows:
            yield from self.personal.open_all(tx, rows)
            last = tuple(getattr(rows[-1], name) for name in _SCOPE)
            rows = tx.execute(page.where(tuple_(*scope) > last)).all()

    def _select_about(self, tx: Connection, id_: str) -> Select[Any]:
        """Select the responses in which the bytes of an id occur."""
        contains = func.instr if tx.dialect.name == "sqlite" else func.pg_catalog.position
        place = contains(self.table.c.response, literal(id_.encode(), LargeBinary()))
        columns = (self.table.c[name] for name in (*_SCOPE, "response"))
        return select(*columns).where(place > 0)

    def delete_expired(self, tx: Connection, now: datetime) -> int:
        """Delete expired responses; returns how many."""
        return tx.execute(delete(self.table).where(self.table.c.expires_at <= now)).rowcount


def _parse_answer(rpc: str, response: bytes) -> Message:
    name = rpc.strip("/").replace("/", ".")
    method = descriptor_pool.Default().FindMethodByName(name)
    return GetMessageClass(method.output_type).FromString(response)


def _is_about(answer: Message, id_: str) -> bool:
    return any(value == id_ for _, value in answer.ListFields() if isinstance(value, str))


def _clear_fields(answer: Message, names: Collection[str]) -> bool:
    """Clear the fields of these names, at any depth; returns whether there was one."""
    found = False
    for field, value in answer.ListFields():
        if field.name in names:
            answer.ClearField(field.name)
            found = True
        elif field.message_type is not None:
            for each in [value] if isinstance(value, Message) else value:
                found |= _clear_fields(each, names)
    return found


def derive_secret(callers_secret: str, key: str) -> str:
    """A secret that is shown once and stored as a hash only.

    With an idempotency key it is the same each time: it is derived from the key
    and the caller's own secret.
    """
    if not key:
        return secrets.token_urlsafe(32)
    digest = hmac.digest(callers_secret.encode(), key.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def build_key_mismatch() -> Invalid:
    """The refusal of a key that was used for another request."""
    fault = Fault(IDEMPOTENCY_HEADER, "Was used for another request; use a new key.")
    return Invalid(
        "The idempotency key was used before.", reason=IDEMPOTENCY_MISMATCH, faults=[fault]
    )


def _build_upsert(table: Table, now: BindParameter[datetime]) -> Insert:
    """An INSERT of a response that replaces one that has expired, and no other."""
    return upsert(
        table,
        ("fingerprint", "response", "expires_at"),
        where=lambda _: table.c.expires_at <= now,
    )


def build_parameters(response: Message) -> dict[str, object]:
    """Return a response to this thread's call as the parameters of `build_claim`."""
    now = datetime.now(UTC)
    row = _build_row(get_current_call(), response, now) | {"now": now}
    return {PARAMETER_PREFIX + name: value for name, value in row.items()}


def _build_row(call: Call, response: Message, now: datetime) -> dict[str, object]:
    return _build_scope(call) | {
        "fingerprint": call.fingerprint,
        "response": response.SerializeToString(),
        "expires_at": now + KEY_LIFETIME,
    }


def _build_scope(call: Call) -> dict[str, object]:
    account_id = call.account.id if call.account else 0
    return {"account_id": account_id, "rpc": call.rpc, "key": call.idempotency_key}

"""Rotation: counting the rows of each key, and sealing them anew under the current one.

It works beside the servers, in short batches that are transactions of their own, and pauses after
each as long as it took. Rows that are sealed with the current key are passed over, so that a
rotation that was killed continues where it ended when it is run again.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from time import monotonic, sleep
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    LargeBinary,
    Text,
    cast,
    func,
    select,
    tuple_,
    update,
)

from chassis.errors import Busy, Overloaded
from chassis.store.database import Database
from chassis.store.encryption.columns import Personal
from chassis.store.encryption.keyring import MARK, Keyring, find_key_name, is_sealed

T = TypeVar("T")
PLAIN = ""  # the key of what is not encrypted
HEAD_LENGTH = 64  # characters or bytes; more than the head of an envelope, in JSON too
PAGE_ROWS = 2000
BATCH_SECONDS = 0.05  # for which a batch keeps other writers of SQLite waiting
MAX_ATTEMPTS = 10
RETRY_SECONDS = 1.0
_JSON_MARK = '"\\u0002'


def count_rows(database: Database, tables: Collection[Personal]) -> Counter[str]:
    """Return how many rows hold a value under each key; `PLAIN` is that of plain values."""
    counted: Counter[str] = Counter()
    for personal in tables:
        for _, names in scan_rows(database, personal):
            counted.update(names)
    return counted


def rotate_table(
    database: Database,
    personal: Personal,
    ring: Keyring,
    report: Callable[[int], None] = lambda _: None,
) -> int:
    """Seal the rows of a table that are not under the current key; returns how many.

    `report` is called after each batch with their number so far.
    """
    stale = (key for key, names in scan_rows(database, personal) if names - {ring.current.name})
    count = 0
    while keys := {tuple(key) for key in islice(stale, personal.batch)}:
        while keys:
            began = monotonic()
            sealed = _retry(lambda: _seal_batch(database, personal, ring, keys))  # noqa: B023 - now
            keys -= sealed
            sleep(monotonic() - began)
            if not sealed:
                break  # others have deleted them
            count += len(sealed)
            report(count)
    return count


def scan_rows(database: Database, personal: Personal) -> Iterator[tuple[Sequence[Any], set[str]]]:
    """Yield the primary key of each row, and the names of the keys of its personal values."""
    key = _build_key(personal)
    columns = [*personal.table.primary_key, *map(_select_head, personal.columns.values())]
    width = len(personal.table.primary_key)
    page = select(*columns).order_by(*personal.table.primary_key).limit(PAGE_ROWS)
    last: Sequence[Any] | None = None
    while True:
        with database.read() as tx:
            after = page if last is None else page.where(key > _bind_key(last))
            rows = tx.execute(after).all()
        for row in rows:
            heads = (_read_head(head) for head in row[width:])
            yield row[:width], {name for name in heads if name is not None}
        if len(rows) < PAGE_ROWS:
            return
        last = rows[-1][:width]


def _seal_batch(
    database: Database, personal: Personal, ring: Keyring, keys: Collection[tuple[Any, ...]]
) -> set[tuple[Any, ...]]:
    """Seal rows in one transaction, for `BATCH_SECONDS`; returns the keys of those it came to.

    It is no change of a row: its version stays.
    """
    table, done = personal.table, set[tuple[Any, ...]]()
    chosen = _build_key(personal).in_([_bind_key(key) for key in keys])
    same = {each.name: each for each in table.c if each.onupdate is not None}
    with database.write(shred=True) as tx:
        rows = select(table).where(chosen).order_by(*table.primary_key).with_for_update()
        began = monotonic()
        for row in tx.execute(rows).all():
            key = tuple(row._mapping[column] for column in table.primary_key)
            if values := personal.seal_anew(ring, row):
                is_row = [column == row._mapping[column] for column in table.primary_key]
                tx.execute(update(table).where(*is_row).values({**same, **values}))
                _reindex(tx, personal, row)
            done.add(key)
            if monotonic() - began > BATCH_SECONDS:
                break
    return done


def _reindex(tx: Connection, personal: Personal, row: Any) -> None:
    if personal.reindex is not None:
        personal.reindex(tx, personal.open(tx, row))


def _retry(work: Callable[[], T]) -> T:
    """Do work that the store may be too busy for; raises what the last attempt does."""
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return work()
        except (Busy, Overloaded):
            sleep(RETRY_SECONDS)
    return work()


def _build_key(personal: Personal) -> Any:
    columns = list(personal.table.primary_key)
    return columns[0] if len(columns) == 1 else tuple_(*columns)


def _bind_key(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


def _select_head(column: Any) -> ColumnElement[Any]:
    if isinstance(column.type, LargeBinary):
        return func.substr(column, 1, HEAD_LENGTH, type_=LargeBinary())
    text = cast(column, Text) if isinstance(column.type, JSON) else column
    return func.substr(text, 1, HEAD_LENGTH, type_=Text())


def _read_head(head: str | bytes | None) -> str | None:
    """Return the name of a key, `PLAIN`, or None for no value."""
    if head is None or head == "null":
        return None
    if isinstance(head, str) and head.startswith(_JSON_MARK):
        head = head[1:].replace("\\u0002", MARK)
    return find_key_name(head) if is_sealed(head) else PLAIN

"""Personal columns: sealed where a row is written, opened where it is read.

A table declares them once, `PEOPLE = Personal(table, ["id"], ["name", "document"])`. Statements
stay as they are: `PEOPLE.seal(tx, row)` returns the values to write, `PEOPLE.open(tx, row)` a
row whose personal columns are plain. A value is sealed with the place that it stands in: table,
column and the columns that identify its row, which may never change. Each value has an envelope
of its own, so that one column can be written without reading the others.

Values from before encryption was turned on are read as they are. Without a ring, rows and values
pass through untouched.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar, cast

import msgspec
from sqlalchemy import (
    Connection,
    Dialect,
    LargeBinary,
    Row,
    RowMapping,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine, UserDefinedType

from chassis.store.encryption.keyring import Keyring, find_key_name, is_sealed

KEYRING_OPTION = "keyring"  # an execution option of the engine
R = TypeVar("R")  # a row, of whatever statement
Columns = Mapping[str, Any] | RowMapping


class _TextDay(UserDefinedType[str]):
    """A DATE column of SQLite, which holds text, without conversion to a date."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "DATE"


class Day(TypeDecorator[Any]):
    """A day that may be sealed: text on both engines, YYYY-MM-DD or an envelope."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return _TextDay() if dialect.name == "sqlite" else Text()

    def process_bind_param(self, value: date | str | None, dialect: Dialect) -> str | None:
        return value.isoformat() if isinstance(value, date) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or is_sealed(value) else date.fromisoformat(value)


def personal_text(length: int) -> String:
    """Return the type of a personal text: PostgreSQL would enforce the length on envelopes."""
    return String(length).with_variant(Text(), "postgresql")


def find_keyring(tx: Connection) -> Keyring | None:
    """Return the ring of a store; None where encryption is off."""
    ring: Keyring | None = tx.get_execution_options().get(KEYRING_OPTION)
    return ring


class Personal:
    """The personal columns of one table.

    `identity` names the columns that identify a row for good. At most `batch` rows are sealed
    anew in one transaction, and `reindex` writes the search words of such a row again.
    """

    def __init__(
        self,
        table: Table,
        identity: Sequence[str],
        columns: Collection[str],
        *,
        batch: int = 200,
        reindex: Callable[[Connection, Any], None] | None = None,
    ) -> None:
        self.table = table
        self.identity = tuple(identity)
        self.columns = {name: table.c[name] for name in columns}
        self.batch = batch
        self.reindex = reindex

    def seal(
        self, tx: Connection, values: dict[str, Any], row: Columns | None = None
    ) -> dict[str, Any]:
        """Return the values to write; those that identify the row are in `row`, else among them."""
        ring = find_keyring(tx)
        if ring is None:
            return values
        key = self._read_identity(values if row is None else row)
        sealed = {
            name: self._seal(ring, name, key, values[name])
            for name in self.columns
            if values.get(name) is not None
        }
        return {**values, **sealed}

    def open(self, tx: Connection, row: R, key: Columns | None = None) -> R:
        """Return a row with its personal columns opened as they are read; raises Unopenable then.

        `key` identifies the row where it does not hold the columns that do.
        """
        ring = find_keyring(tx)
        if ring is None:
            return row
        found: Any = row
        identity = self._read_identity(found._mapping if key is None else key)
        return cast(R, OpenedRow(found, self, ring, identity))

    def open_first(self, tx: Connection, row: R | None) -> R | None:
        """Return the row that a statement may have found, opened."""
        return None if row is None else self.open(tx, row)

    def open_all(self, tx: Connection, rows: Iterable[R]) -> list[R]:
        """Return rows as `open` does."""
        return [self.open(tx, row) for row in rows]

    def open_value(self, ring: Keyring, name: str, key: Sequence[str], value: Any) -> Any:
        """Return the plain value of a column."""
        if not is_sealed(value):
            return value
        place = self._build_place(name, key)
        if isinstance(value, bytes):
            return ring.open(value, place)
        content = ring.open_text(value, place)
        kind: Any = date if isinstance(self.columns[name].type, Day) else Any
        return msgspec.json.decode(content, type=kind)

    def seal_anew(self, ring: Keyring, row: Row[Any]) -> dict[str, Any]:
        """Return those columns of a whole row that are not under the current key, sealed."""
        key = self._read_identity(row._mapping)
        return {
            name: self._seal(ring, name, key, self.open_value(ring, name, key, value))
            for name in self.columns
            if (value := row._mapping[name]) is not None
            and not (is_sealed(value) and find_key_name(value) == ring.current.name)
        }

    def _seal(self, ring: Keyring, name: str, key: Sequence[str], value: Any) -> str | bytes:
        place = self._build_place(name, key)
        if isinstance(self.columns[name].type, LargeBinary):
            return ring.seal(value, place)
        return ring.seal_text(msgspec.json.encode(value), place)

    def _read_identity(self, row: Mapping[Any, Any]) -> list[str]:
        return [str(row[name]) for name in self.identity]

    def _build_place(self, name: str, key: Sequence[str]) -> bytes:
        return "\0".join((self.table.name, name, *key)).encode()


class OpenedRow:
    """A row of a sealed table: a personal column is opened when it is read."""

    __slots__ = ("_key", "_opened", "_personal", "_ring", "_row")

    def __init__(self, row: Row[Any], personal: Personal, ring: Keyring, key: list[str]) -> None:
        self._row = row
        self._personal = personal
        self._ring = ring
        self._key = key
        self._opened: dict[str, Any] = {}

    @property
    def _fields(self) -> tuple[str, ...]:
        return self._row._fields

    @property
    def _mapping(self) -> "OpenedMapping":
        return OpenedMapping(self)

    def __getattr__(self, name: str) -> Any:
        opened = self._opened
        if name not in opened:
            value = getattr(self._row, name)
            if name not in self._personal.columns:
                return value
            opened[name] = self._personal.open_value(self._ring, name, self._key, value)
        return opened[name]


class OpenedMapping(Mapping[str, Any]):
    """The columns of an opened row by name."""

    def __init__(self, row: OpenedRow) -> None:
        self._row = row

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._row, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._row._fields)

    def __len__(self) -> int:
        return len(self._row._fields)

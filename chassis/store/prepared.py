"""Statements that most calls make, compiled once.

SQLAlchemy prepares each execution anew: of the 125 us that an order's row took on SQLite, and of
the 297 on PostgreSQL, 50 and 130 were spent before and after the driver's own call. Here the text
and the conversions of the values are kept, and the driver is called directly. Where statements are
traced SQLAlchemy executes them as ever.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Connection,
    Dialect,
    Insert,
    Row,
    Select,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import ColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import NullType

from chassis.spans.recording import get_recorder
from chassis.store.group_commit import get_driver_connection

Convert = Callable[[Any], Any]


class _Value(NamedTuple):
    """A parameter: its name, its conversion, and its value where a caller gives none."""

    name: str
    convert: Convert | None
    default: Any


class Shape(NamedTuple):
    """The columns of a row."""

    row: type[Any]  # a named tuple
    conversions: list[tuple[int, Convert]]  # of values, by their places

    def build_row(self, values: Sequence[Any]) -> Row[Any]:
        """Return a row that is read as SQLAlchemy's is, by attributes or through `_mapping`.

        An attribute takes 20 ns in place of 280, and a document reads some hundred.
        """
        if self.conversions:
            values = list(values)
            for place, convert in self.conversions:
                values[place] = convert(values[place])
        row: Row[Any] = tuple.__new__(self.row, values)
        return row


class Compiled(NamedTuple):
    """A statement for one engine and for parameters of the same names."""

    text: str
    values: list[_Value]
    names: list[str] | None  # of the values, where the driver takes them by name
    shape: Shape

    def bind(self, parameters: Mapping[str, Any]) -> Any:
        """Return the parameters as the driver takes them."""
        get = parameters.get
        values = [
            convert(get(name, default)) if convert else get(name, default)
            for name, convert, default in self.values
        ]
        return values if self.names is None else dict(zip(self.names, values, strict=True))


class Prepared:
    """A SELECT, or an INSERT of one row, with plain values only.

    No column has a default made by Python, and no parameter is a list (`expanding`). Its methods
    raise what `tx.execute` raises where the database refuses; for a value that its type cannot
    convert, what the conversion raises, and LookupError for one that is missing.
    """

    def __init__(self, statement: Select[Any] | CompoundSelect[Any] | Insert) -> None:
        if any(getattr(each, "expanding", False) for each in iterate(statement)):
            raise TypeError("a parameter is a list")
        self.statement = statement
        self._compiled: dict[tuple[str, ...], Compiled] = {}

    def execute(self, tx: Connection, parameters: Mapping[str, Any]) -> int:
        """Execute it; returns how many rows were inserted, which needs `COUNTED`."""
        if get_recorder() is not None:
            return tx.execute(self.statement, parameters).rowcount
        _, count = self._run(tx, parameters, _count)
        return int(count)

    def execute_many(self, tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it for each of some rows, all of whose parameters have the same names."""
        if get_recorder() is not None:
            tx.execute(self.statement, rows)
        else:
            self._run(tx, rows[0], _count, rows)

    def first(self, tx: Connection, parameters: Mapping[str, Any]) -> Row[Any] | None:
        """Execute it, and return the first row that it finds or returns."""
        if get_recorder() is not None:
            return tx.execute(self.statement, parameters).first()
        compiled, found = self._run(tx, parameters, _fetch_first)
        return None if found is None else compiled.shape.build_row(found)

    def all(self, tx: Connection, parameters: Mapping[str, Any]) -> list[Row[Any]]:
        """Execute it, and return the rows that it finds."""
        if get_recorder() is not None:
            return list(tx.execute(self.statement, parameters).all())
        compiled, found = self._run(tx, parameters, _fetch_all)
        return list(map(compiled.shape.build_row, found))

    def compile(self, dialect: Dialect, parameters: Mapping[str, Any]) -> Compiled:
        """Return the statement for an engine and for these parameters; it is made once."""
        names = (dialect.name, *parameters)
        compiled = self._compiled.get(names)
        if compiled is None:
            compiled = self._compiled[names] = _compile(self.statement, dialect, parameters)
        return compiled

    def _run(
        self,
        tx: Connection,
        parameters: Mapping[str, Any],
        fetch: Callable[[Any], Any],
        rows: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[Compiled, Any]:
        """Return the statement and what is fetched from the driver's cursor after its execution.

        SQLite reads the rows while they are fetched, and may fail then. With `rows` it is executed
        for each of them.
        """
        dialect, driver = tx.dialect, get_driver_connection(tx)
        compiled = self.compile(dialect, parameters)
        values: Any = list(map(compiled.bind, rows)) if rows else compiled.bind(parameters)
        try:
            if not rows:
                return compiled, fetch(driver.execute(compiled.text, values))
            cursor = driver.cursor()
            cursor.executemany(compiled.text, values)
            return compiled, fetch(cursor)
        except dialect.loaded_dbapi.Error as error:
            if getattr(driver, "closed", False):
                # Fails at once, and has SQLAlchemy leave the pool's other connections to this
                # server, too.
                tx.execute(self.statement, parameters)
            raise DBAPIError.instance(
                compiled.text,
                values,
                error,
                dialect.loaded_dbapi.Error,
                hide_parameters=True,
                dialect=dialect,
            ) from error


class PreparedUnion(Prepared):
    """Reads a row, and the rows that belong to it, by one statement: as they are at one moment.

    Neither repeats the columns of the other, as a join would.
    """

    def __init__(self, one: CTE, many: Select[Any]) -> None:
        """`many` selects from `one`, whose first column is never null, and has no order."""
        self._one, self._many = one.c, many.selected_columns
        super().__init__(
            union_all(
                select(*self._one, *map(_make_null, self._many)),
                many.with_only_columns(
                    *map(_make_null, self._one), *self._many, maintain_column_froms=True
                ),
            )
        )
        self._shapes: dict[str, tuple[Shape, Shape]] = {}

    def find(
        self, tx: Connection, parameters: Mapping[str, Any]
    ) -> tuple[Row[Any], list[Row[Any]]] | None:
        """Execute it, and return the one row and the others; None where there is no such row."""
        one, other = self._find_shapes(tx.dialect)
        if get_recorder() is not None:
            found = list(map(tuple, tx.execute(self.statement, parameters)))
            one, other = one._replace(conversions=[]), other._replace(conversions=[])
        else:
            _, found = self._run(tx, parameters, _fetch_all)
        width = len(self._one)
        first = next((each for each in found if each[0] is not None), None)
        if first is None:
            return None
        others = [other.build_row(each[width:]) for each in found if each[0] is None]
        return one.build_row(first[:width]), others

    def _find_shapes(self, dialect: Dialect) -> tuple[Shape, Shape]:
        if (shapes := self._shapes.get(dialect.name)) is None:
            shapes = _build_shape(self._one, dialect), _build_shape(self._many, dialect)
            self._shapes[dialect.name] = shapes
        return shapes


def _make_null(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return type_coerce(null(), column.type)


def _count(cursor: Any) -> Any:
    return cursor.rowcount


def _fetch_first(cursor: Any) -> Any:
    found = cursor.fetchone()
    cursor.close()  # what is left unread keeps SQLite's snapshot
    return found


def _fetch_all(cursor: Any) -> Any:
    return cursor.fetchall()


def _compile(
    statement: Select[Any] | CompoundSelect[Any] | Insert,
    dialect: Dialect,
    parameters: Mapping[str, Any],
) -> Compiled:
    if isinstance(statement, Insert):
        statement = statement.inline()
    compiled = statement.compile(dialect=dialect, column_keys=list(parameters))
    assert isinstance(compiled, SQLCompiler)
    if compiled.insert_prefetch:
        raise TypeError(f"{compiled.insert_prefetch[0]} has a default made by Python")
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    missing = [name for name, bind in binds.items() if bind.required and name not in parameters]
    if missing:
        raise LookupError(f"these parameters are missing: {', '.join(missing)}")
    untyped = [name for name, bind in binds.items() if isinstance(bind.type, NullType)]
    if untyped:
        raise TypeError(f"these parameters have no type: {', '.join(untyped)}")
    defaults = compiled.params
    names = list(compiled.positiontup or binds)
    values = [
        _Value(name, _implement(binds[name], dialect).bind_processor(dialect), defaults[name])
        for name in names
    ]
    shape = _build_shape(statement.exported_columns, dialect)
    return Compiled(compiled.string, values, None if compiled.positional else names, shape)


def _build_shape(columns: ColumnCollection[Any, ColumnElement[Any]], dialect: Dialect) -> Shape:
    titles = [str(title) for title, _ in columns.items()]
    conversions = [_implement(each, dialect).result_processor(dialect, None) for each in columns]
    make: Any = namedtuple  # mypy wants to see the names
    base = make("PreparedRow", titles, rename=True)
    row = type("PreparedRow", (base,), {"__slots__": (), "_mapping": property(base._asdict)})
    return Shape(row, [(place, each) for place, each in enumerate(conversions) if each])


def _implement(element: Any, dialect: Dialect) -> Any:
    """Return the engine's type of a parameter or a column."""
    return element.type.dialect_impl(dialect)

"""Inserts that most calls make, compiled once.

SQLAlchemy prepares each execution anew: of the 38 us that an audit entry took on SQLite, 30 were
spent before and after the driver's own call. Here the text and the conversions of the values are
kept, and the driver is called directly. On PostgreSQL, where a statement is a round trip, and
where statements are traced, SQLAlchemy executes it as ever.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from chassis.spans.recording import get_recorder
from chassis.store.group_commit import get_driver_connection


class _Value(NamedTuple):
    """A parameter: its name, its conversion, and its value where a row has none."""

    name: str
    convert: Callable[[Any], Any] | None
    default: Any


class _Compiled(NamedTuple):
    """A statement for rows with the same columns."""

    text: str
    values: list[_Value]


class PreparedInsert:
    """An INSERT of one row, with plain values only: no column has a default made by Python."""

    def __init__(self, statement: Insert) -> None:
        self.statement = statement
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def execute(self, tx: Connection, row: Mapping[str, Any]) -> int:
        """Insert a row; returns how many were inserted, which on PostgreSQL needs `COUNTED`.

        Raises what `tx.execute` raises.
        """
        if tx.dialect.name != "sqlite" or get_recorder() is not None:
            return tx.execute(self.statement, row).rowcount
        names = tuple(row)
        text, values = self._compiled.get(names) or self._compile(tx.dialect, names)
        parameters = [
            convert(row.get(name, default)) if convert else row.get(name, default)
            for name, convert, default in values
        ]
        try:
            inserted: int = get_driver_connection(tx).execute(text, parameters).rowcount
        except sqlite3.Error as error:
            raise DBAPIError.instance(
                text, parameters, error, sqlite3.Error, hide_parameters=True, dialect=tx.dialect
            ) from error
        return inserted

    def _compile(self, dialect: Dialect, names: tuple[str, ...]) -> _Compiled:
        compiled = self.statement.inline().compile(dialect=dialect, column_keys=list(names))
        assert isinstance(compiled, SQLCompiler)
        if compiled.insert_prefetch:
            raise TypeError(f"{compiled.insert_prefetch[0]} has a default made by Python")
        defaults = compiled.params
        values = [
            _Value(
                name,
                compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect),
                defaults[name],
            )
            for name in compiled.positiontup or ()
        ]
        made = self._compiled[names] = _Compiled(str(compiled), values)
        return made

"""Spans of SQL statements: their text without its parameters, inside of spans that are recorded."""

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from chassis.spans.recording import get_recorder

if TYPE_CHECKING:
    from chassis.spans.recorder import Span

MAX_TEXT_LENGTH = 2000
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?(\w+)', re.IGNORECASE)
_PARENTHESES = re.compile(r"\([^()]*\)")
_MAIN = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_SYSTEMS = {"sqlite": "sqlite", "postgresql": "postgresql"}


def watch_statements(engine: Engine) -> None:
    """Record the statements of an engine; it is called where traces are on."""
    system = _SYSTEMS[engine.dialect.name]

    @event.listens_for(engine, "before_cursor_execute")
    def begin(
        _tx: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        recorder = get_recorder()
        if recorder is None:
            return
        verb, table = _describe(statement)
        attributes = {"db.system.name": system, "db.operation.name": verb}
        attributes["db.query.text"] = statement[:MAX_TEXT_LENGTH]
        if table:
            attributes["db.collection.name"] = table
        context.optigate_span = recorder.begin_leaf(f"{verb} {table}".rstrip(), attributes)

    @event.listens_for(engine, "after_cursor_execute")
    def end(
        _tx: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        if span := _take_span(context):
            span.end()

    @event.listens_for(engine, "handle_error")
    def fail(failed: ExceptionContext) -> None:
        if span := _take_span(failed.execution_context):
            span.fail(type(failed.original_exception).__name__)
            span.end()


def _take_span(context: Any) -> "Span | None":
    """Return the span of an execution that has not ended yet: one may fail after its statement."""
    span: Span | None = getattr(context, "optigate_span", None)
    if span is not None:
        context.optigate_span = None
    return span


def _describe(statement: str) -> tuple[str, str]:
    """Return the verb of a statement and its first table, or ""; of WITH, that of what follows."""
    words = statement.split(None, 1)
    if words and words[0].upper() == "WITH":
        statement = _skip_with(statement)
        words = statement.split(None, 1)
    found = _TABLE.search(statement)
    return (words[0].upper() if words else "", found[1] if found else "")


def _skip_with(statement: str) -> str:
    """Return a statement without its common table expressions, and without what is in brackets."""
    found = 1
    while found:
        statement, found = _PARENTHESES.subn("", statement)
    main = _MAIN.search(statement)
    return statement[main.start() :] if main else statement

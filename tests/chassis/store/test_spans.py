"""Spans of statements: named by verb and table, with no value of theirs, and none by themselves."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError

from chassis.spans.recorder import Recorder
from chassis.spans.recording import INTERNAL, get_recorder
from chassis.spans.start import start, stop
from chassis.store.database import Database
from orders_svc.store import tables

SECRET = "Quark"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """What keeps the spans; traces are on."""
    kept = InMemorySpanExporter()
    start("test", {}, SimpleSpanProcessor(kept))
    yield kept
    stop()


@pytest.fixture
def database(
    exporter: InMemorySpanExporter, store_url: Callable[[str, str], str], engine: str
) -> Iterator[Database]:
    """A store of orders that is opened while traces are on."""
    opened = Database(store_url("orders", engine))
    exporter.clear()
    yield opened
    opened.close()


def get_running() -> Recorder:
    recorder = get_recorder()
    assert recorder
    return recorder


def list_spans(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    return list(exporter.get_finished_spans())


def test_it_works(database: Database, exporter: InMemorySpanExporter, engine: str) -> None:
    span = get_running().begin("a request", INTERNAL, {})
    with database.write() as tx:
        tx.execute(select(tables.labs.c.id).where(tables.labs.c.name == SECRET)).all()
    span.end()
    statement, transaction, request = list_spans(exporter)
    assert (statement.name, transaction.name, request.name) == (
        "SELECT labs",
        "transaction",
        "a request",
    )
    found = dict(statement.attributes or {})
    assert SECRET not in str(found.pop("db.query.text"))
    assert found == {
        "db.system.name": engine,
        "db.operation.name": "SELECT",
        "db.collection.name": "labs",
    }
    assert statement.parent == transaction.context
    assert transaction.parent == request.context


def test_a_statement_is_named_after_what_its_with_is_for(
    database: Database, exporter: InMemorySpanExporter
) -> None:
    span = get_running().begin("a request", INTERNAL, {})
    named = (
        select(tables.labs.c.id.label("id"), func.count().label("n")).group_by("id").cte("named")
    )
    with database.read() as tx:
        tx.execute(select(tables.users.c.id).where(tables.users.c.id == named.c.n)).all()
    span.end()
    statement, _ = list_spans(exporter)
    assert statement.name == "SELECT users"


def test_a_failed_statement_is_marked_by_its_kind(
    database: Database, exporter: InMemorySpanExporter, engine: str
) -> None:
    span = get_running().begin("a request", INTERNAL, {})
    lab = {"id": SECRET, "name": SECRET, "settings": {}}
    with database.write() as tx:
        tx.execute(insert(tables.labs), lab)
    with pytest.raises(DBAPIError), database.write() as tx:
        tx.execute(insert(tables.labs), lab)
    span.end()
    spans = list_spans(exporter)
    kinds = [dict(each.attributes or {}).get("error.type") for each in spans]
    kind = "IntegrityError" if engine == "sqlite" else "UniqueViolation"
    assert [each.name for each in spans][:4] == ["INSERT labs", "transaction"] * 2
    assert kinds == [None, None, kind, "IntegrityError", None]
    assert SECRET not in "".join(each.to_json() for each in spans)


def test_outside_of_a_span_nothing_is_recorded(
    database: Database, exporter: InMemorySpanExporter
) -> None:
    with database.write() as tx:
        tx.execute(text("SELECT 1"))
    assert list_spans(exporter) == []


def test_the_current_span_is_the_one_around_again(exporter: InMemorySpanExporter) -> None:
    recorder = get_running()
    outer = recorder.begin("outer", INTERNAL, {})
    before = recorder.inject()
    recorder.begin("inner", INTERNAL, {}).end()
    assert recorder.inject() == before
    outer.end()
    assert recorder.inject() == {}
    assert [each.name for each in list_spans(exporter)] == ["inner", "outer"]

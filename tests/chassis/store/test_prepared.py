"""Inserts that are compiled once, on both engines."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    bindparam,
    insert,
    literal,
    select,
)
from sqlalchemy.exc import IntegrityError

from chassis.store.database import COUNTED, upsert
from chassis.store.prepared import PreparedInsert
from tests.chassis.probe import notes
from tests.chassis.store.conftest import Open

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read_notes(tx: Connection) -> list[tuple[int, str | None, datetime | None]]:
    return list(map(tuple, tx.execute(select(notes).order_by(notes.c.id))))


def test_rows_with_different_columns_are_stored_as_sqlalchemy_does(opened: Open) -> None:
    database, add = opened(), PreparedInsert(insert(notes))
    rows: list[dict[str, Any]] = [
        {"id": 1, "text": "ä\N{SMILE}' ; --", "at": NOON.astimezone(timezone(timedelta(hours=9)))},
        {"text": "", "id": 2},
        {"id": 3, "at": None, "text": None},
        {"id": 4, "text": "again", "at": NOON},
    ]
    with database.write() as tx:
        for row in rows:
            add.execute(tx, row)
    expected = [(1, rows[0]["text"], NOON), (2, "", None), (3, None, None), (4, "again", NOON)]
    with database.read() as tx:
        assert read_notes(tx) == expected
    with database.write() as tx:
        for row in rows:
            tx.execute(insert(notes), {**row, "id": row["id"] * 10})
        assert [row[1:] for row in read_notes(tx)[4:]] == [row[1:] for row in expected]


def test_a_key_that_is_taken_is_refused_as_by_sqlalchemy_and_rolled_back(opened: Open) -> None:
    database, add = opened(), PreparedInsert(insert(notes))

    def add_twice() -> None:
        with database.write() as tx:
            add.execute(tx, {"id": 1, "text": "secret"})
            add.execute(tx, {"id": 1, "text": "secret"})

    with pytest.raises(IntegrityError) as caught:
        add_twice()
    assert caught.value.orig is not None
    assert "secret" not in str(caught.value).partition("DETAIL")[0]
    with database.read() as tx:
        assert read_notes(tx) == []


def test_it_says_how_many_rows_were_inserted(opened: Open) -> None:
    database = opened()
    put = PreparedInsert(
        upsert(notes, ["text"], where=lambda _: notes.c.at <= bindparam("now")),
    )
    late = {"text": "late", "at": NOON, "now": NOON}
    with database.write() as tx:
        assert put.execute(tx, {"id": 1, "text": "new", "at": NOON, "now": NOON}) == 1
        assert put.execute(tx, {"id": 1, **late, "now": NOON - timedelta(seconds=1)}) == 0
        assert put.execute(tx, {"id": 1, **late}) == 1
        assert read_notes(tx) == [(1, "late", NOON)]


def test_parameters_may_have_a_value_of_their_own(opened: Open) -> None:
    database = opened()
    row = select(
        bindparam("id", type_=Integer()),
        bindparam("text", "unsaid"),
        literal(NOON, notes.c.at.type),
    ).where(bindparam("id", type_=Integer()) > 1)
    statement = insert(notes).from_select(["id", "text", "at"], row).execution_options(**COUNTED)
    add = PreparedInsert(statement)
    with database.write() as tx:
        assert add.execute(tx, {"id": 1}) == 0
        assert add.execute(tx, {"id": 2}) == 1
        assert add.execute(tx, {"id": 3, "text": "said"}) == 1
        assert read_notes(tx) == [(2, "unsaid", NOON), (3, "said", NOON)]


def test_a_default_made_by_python_is_no_plain_value(opened: Open) -> None:
    counted = Table("notes", MetaData(), Column("id", Integer, default=7))
    add, database = PreparedInsert(insert(counted)), opened()
    with database.write() as tx:
        if tx.dialect.name == "sqlite":
            with pytest.raises(TypeError, match=r"notes\.id"):
                add.execute(tx, {})
        else:  # SQLAlchemy executes it
            add.execute(tx, {})
            assert read_notes(tx) == [(7, None, None)]

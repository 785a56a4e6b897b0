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
    cast,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError

from chassis.errors import Overloaded
from chassis.store.database import COUNTED, upsert
from chassis.store.group_commit import get_driver_connection
from chassis.store.prepared import Prepared, PreparedUnion
from tests.chassis.probe import notes
from tests.chassis.store.conftest import Open

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read_notes(tx: Connection) -> list[tuple[int, str | None, datetime | None]]:
    return list(map(tuple, tx.execute(select(notes).order_by(notes.c.id))))


def test_rows_with_different_columns_are_stored_as_sqlalchemy_does(opened: Open) -> None:
    database, add = opened(), Prepared(insert(notes))
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
    database, add = opened(), Prepared(insert(notes))

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


def test_many_rows_are_stored_together_or_not_at_all(opened: Open) -> None:
    database, add = opened(), Prepared(insert(notes))
    rows = [{"id": number, "text": f"{number}", "at": NOON} for number in range(1, 4)]
    with database.write() as tx:
        add.execute_many(tx, rows)
    expected = [(1, "1", NOON), (2, "2", NOON), (3, "3", NOON)]

    def add_again() -> None:
        with database.write() as tx:
            add.execute_many(tx, [{**rows[0], "id": 4}, rows[1]])

    with pytest.raises(IntegrityError):
        add_again()
    with database.read() as tx:
        assert read_notes(tx) == expected


def test_it_says_how_many_rows_were_inserted(opened: Open) -> None:
    database = opened()
    put = Prepared(
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
    add = Prepared(statement)
    with database.write() as tx:
        assert add.execute(tx, {"id": 1}) == 0
        assert add.execute(tx, {"id": 2}) == 1
        assert add.execute(tx, {"id": 3, "text": "said"}) == 1
        assert read_notes(tx) == [(2, "unsaid", NOON), (3, "said", NOON)]


def test_rows_are_those_of_sqlalchemy(opened: Open) -> None:
    database, add = opened(), Prepared(insert(notes))
    found = select(notes, literal("plain").label("tone")).order_by(notes.c.id)
    at = notes.c.at >= bindparam("since")
    since = {"since": NOON.astimezone(timezone(timedelta(hours=9)))}
    with database.write() as tx:
        add.execute(tx, {"id": 1, "text": "100 % \N{SMILE}", "at": NOON})
        add.execute(tx, {"id": 2, "text": None, "at": NOON + timedelta(seconds=1)})
        add.execute(tx, {"id": 3, "text": "", "at": NOON - timedelta(seconds=1)})
    with database.read() as tx:
        for statement in (
            found,
            found.where(at),
            found.where(at, notes.c.text == "100 % \N{SMILE}"),
        ):
            rows = Prepared(statement).all(tx, since)
            expected = tx.execute(statement, since).all()
            assert rows == expected
            assert [row._mapping for row in rows] == [row._mapping for row in expected]
            assert [row.tone for row in rows] == ["plain"] * len(expected)
            assert Prepared(statement).first(tx, since) == expected[0]
        assert Prepared(found.where(at)).first(tx, {"since": NOON + timedelta(days=1)}) is None


@pytest.mark.parametrize("is_traced", [False, True])
def test_a_row_is_found_with_its_others(
    opened: Open, is_traced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, later = opened(), NOON + timedelta(seconds=1)
    if is_traced:
        monkeypatch.setattr("chassis.store.prepared.get_recorder", object)
    with database.write() as tx:
        for row in ((1, "a", NOON), (2, "b", later), (3, "c", NOON)):
            tx.execute(insert(notes), dict(zip(notes.c.keys(), row, strict=True)))
    one = select(notes, literal("plain").label("tone")).where(notes.c.id == bindparam("id"))
    cte = one.cte("one")
    later_ones = select(notes).select_from(cte).join(notes, notes.c.id > cte.c.id)
    find = PreparedUnion(cte, later_ones)
    with database.read() as tx:
        found = find.find(tx, {"id": 1})
        assert found is not None
        expected = tx.execute(one, {"id": 1}).one()
        others = tx.execute(select(notes).where(notes.c.id > 1).order_by(notes.c.id)).all()
        rest = sorted(found[1], key=lambda row: row.id)
        assert (found[0]._mapping, found[0].tone, rest) == (expected._mapping, "plain", others)
        assert [row._mapping for row in rest] == [row._mapping for row in others]
        assert [row.at for row in rest] == [later, NOON]
        raw = tx.execute(find.statement, {"id": 1}).all()
        assert sorted(tuple(value is None for value in row) for row in raw) == [
            (False, False, False, False, True, True, True),
            (True, True, True, True, False, False, False),
            (True, True, True, True, False, False, False),
        ]
        alone = find.find(tx, {"id": 3})
        assert alone is not None
        assert (tuple(alone[0]), alone[1]) == ((3, "c", NOON, "plain"), [])
        assert find.find(tx, {"id": 4}) is None


def test_an_insert_returns_its_row(opened: Open) -> None:
    database = opened()
    add = Prepared(insert(notes).returning(notes.c.at, notes.c.id))
    with database.write() as tx:
        row = add.first(tx, {"id": 1, "at": NOON})
    assert row is not None
    assert (row.at, row.id) == (NOON, 1)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_first_row_leaves_no_read_open(opened: Open) -> None:
    """An open cursor would keep SQLite's log from being moved into the file."""
    database, other = opened(), opened()
    with database.write() as tx:
        for number in (1, 2):
            Prepared(insert(notes)).execute(tx, {"id": number})
    with database.read(single=True) as tx, other.read(single=True) as second:
        assert Prepared(select(notes)).first(tx, {}) is not None
        busy, *_ = second.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        assert busy == 0


def test_what_fails_at_a_later_row_is_raised_as_by_sqlalchemy(opened: Open) -> None:
    database, add = opened(), Prepared(insert(notes))
    with database.write() as tx:
        add.execute(tx, {"id": 1, "text": "{}"})
        add.execute(tx, {"id": 2, "text": "secret"})
    is_sqlite = database.is_sqlite
    parsed = func.json(notes.c.text) if is_sqlite else cast(notes.c.text, postgresql.JSONB)
    find = Prepared(select(parsed).order_by(notes.c.id))
    with database.read() as tx, pytest.raises(DBAPIError) as caught:
        find.all(tx, {})
    assert isinstance(caught.value.orig, database.engine.dialect.loaded_dbapi.Error)


def test_a_parameter_that_is_missing_is_named(opened: Open) -> None:
    find = Prepared(select(notes).where(notes.c.id == bindparam("where_id")))
    with opened().read() as tx, pytest.raises(LookupError, match="where_id"):
        find.first(tx, {"id": 1})


@pytest.mark.parametrize(
    ("statement", "parameters", "said"),
    [
        (insert(Table("notes", MetaData(), Column("id", Integer, default=7))), {}, r"notes\.id"),
        (
            select(notes).where(notes.c.id.in_(bindparam("ids", expanding=True))),
            {"ids": [1]},
            "list",
        ),
        (select(bindparam("any")), {"any": 1}, "any"),
    ],
)
def test_what_it_cannot_do_is_refused(
    opened: Open, statement: Any, parameters: Any, said: str
) -> None:
    with opened().read() as tx, pytest.raises(TypeError, match=said):
        Prepared(statement).first(tx, parameters)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_one_broken_connection_empties_the_pool(opened: Open) -> None:
    """A server that was restarted has closed them all: one call fails, and not one for each."""
    database, find = opened(), Prepared(select(notes))
    with database.read() as first, database.read() as second:
        pids = [get_driver_connection(tx).info.backend_pid for tx in (first, second)]
    with opened().read() as tx:
        for pid in pids:
            tx.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
    with pytest.raises(Overloaded), database.read() as tx:
        find.first(tx, {})
    for _ in range(3):
        with database.read() as tx:
            assert find.first(tx, {}) is None

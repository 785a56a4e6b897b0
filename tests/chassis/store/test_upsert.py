"""Inserts that meet a row with their key, on both engines."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import bindparam, func, select

from chassis.store.database import Database, add_if_absent, insert_if_absent, upsert
from tests.chassis.probe import notes
from tests.chassis.store.conftest import Open


def read_texts(database: Database) -> dict[int, str]:
    with database.read() as tx:
        return dict(map(tuple, tx.execute(select(notes.c.id, notes.c.text))))


def test_a_row_is_added_once(opened: Open) -> None:
    database = opened()
    row = {"id": 7, "text": "once"}

    def add(_: int) -> bool:
        with database.write() as tx:
            return add_if_absent(tx, notes, row)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(add, range(8))) == [False] * 7 + [True]
    assert read_texts(database) == {7: "once"}


def test_an_insert_that_meets_its_key_updates_the_named_columns(opened: Open) -> None:
    database, put = opened(), upsert(notes, ["text"])
    with database.write() as tx:
        assert tx.execute(put, {"id": 1, "text": "old"}).rowcount == 1
        assert tx.execute(put, {"id": 2, "text": "other"}).rowcount == 1
        assert tx.execute(put, {"id": 1, "text": "new"}).rowcount == 1
    assert read_texts(database) == {1: "new", 2: "other"}


def test_an_update_may_be_computed_from_both_rows_and_have_a_condition(opened: Open) -> None:
    database = opened()
    append = upsert(
        notes,
        lambda new: {"text": notes.c.text + new.text},
        key=["id"],
        where=lambda new: func.length(notes.c.text + new.text) <= bindparam("limit"),
    )
    returning = append.returning(notes.c.text)
    with database.write() as tx:
        for text, rows in (("a", 1), ("b", 1), ("cc", 0), ("c", 1)):
            assert tx.execute(append, {"id": 1, "text": text, "limit": 3}).rowcount == rows
        assert tx.execute(returning, {"id": 1, "text": "d", "limit": 4}).scalar() == "abcd"
        assert tx.execute(returning, {"id": 1, "text": "e", "limit": 4}).first() is None
    assert read_texts(database) == {1: "abcd"}


def test_an_insert_may_leave_the_row_that_has_its_key(opened: Open) -> None:
    database, add = opened(), insert_if_absent(notes, ["id"]).returning(notes.c.text)
    with database.write() as tx:
        assert tx.execute(add, {"id": 1, "text": "first"}).scalar() == "first"
        assert tx.execute(add, {"id": 1, "text": "second"}).first() is None
    assert read_texts(database) == {1: "first"}

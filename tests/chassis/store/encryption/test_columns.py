"""Personal columns on both engines: sealed in the store, opened where they are read."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from chassis.store.database import Database
from chassis.store.encryption.columns import Day, Personal, personal_text
from chassis.store.encryption.keyring import Unopenable, is_sealed
from chassis.store.encryption.rotation import count_rows, rotate_table

metadata = MetaData()
patients = Table(
    "patients",
    metadata,
    Column("shop", Integer, primary_key=True, autoincrement=False),
    Column("number", String(10), primary_key=True),
    Column("name", personal_text(5)),
    Column("note", Text),
    Column("document", JSON(none_as_null=True)),
    Column("born", Day()),
    Column("photo", LargeBinary),
)
PERSONAL = Personal(patients, ["shop", "number"], ["name", "note", "document", "born", "photo"])
ADA: dict[str, Any] = {
    "shop": 1,
    "number": "a",
    "name": "Adä",
    "note": "\ttea\n",
    "document": {"rx": [-1.25, None, "\u00d7"]},
    "born": date(1815, 12, 10),
    "photo": b"\x00\xffpng",
}
Store = Callable[..., Database]


def add(database: Database, **changes: Any) -> None:
    with database.write() as tx:
        tx.execute(insert(patients), PERSONAL.seal(tx, ADA | changes))


def read(database: Database, number: str = "a") -> dict[str, Any]:
    with database.read() as tx:
        row = tx.execute(select(patients).where(patients.c.number == number)).one()
        return dict(PERSONAL.open(tx, row)._mapping)


def read_raw(database: Database) -> dict[str, Any]:
    with database.read() as tx:
        return dict(tx.execute(select(patients)).one()._mapping)


def test_it_works(store: Store) -> None:
    database = store("k")
    add(database)
    raw = read_raw(database)
    assert {name for name, value in raw.items() if is_sealed(value)} == PERSONAL.columns.keys()
    assert read(database) == ADA


def test_without_a_ring_values_are_what_they_were(store: Store) -> None:
    database = store()
    add(database)
    assert read_raw(database) == ADA
    with database.read() as tx:
        row = tx.execute(select(patients)).one()
        assert PERSONAL.open(tx, row) is row


def test_plain_values_of_before_are_read_with_a_ring(store: Store) -> None:
    add(store())
    assert read(store("k")) == ADA


@pytest.mark.parametrize("first", [b"\x02", b"\x02k\x02"])
def test_plain_bytes_may_begin_as_a_text_envelope_does(store: Store, first: bytes) -> None:
    photo = first.ljust(32, b"\xd5")  # a hash begins with any byte
    add(store(), photo=photo)
    database = store("k")
    assert read(database) == ADA | {"photo": photo}
    assert database.keyring is not None
    assert rotate_table(database, PERSONAL, database.keyring) == 1
    assert count_rows(database, [PERSONAL]).keys() == {"k"}
    assert read(database) == ADA | {"photo": photo}


def test_no_value_stays_none(store: Store) -> None:
    database = store("k")
    empty = dict.fromkeys(PERSONAL.columns)
    add(database, **empty)
    assert read_raw(database) == read(database) == ADA | empty


@pytest.mark.parametrize("name", ["name", "note", "document", "born", "photo"])
def test_a_value_moved_to_another_row_does_not_open(store: Store, name: str) -> None:
    database = store("k")
    add(database)
    moved = read_raw(database)[name]
    add(database, number="b")
    with database.write() as tx:
        tx.execute(update(patients).where(patients.c.number == "b").values({name: moved}))
    assert read(database) == ADA
    with pytest.raises(Unopenable):
        read(database, "b")


def test_a_value_moved_to_another_column_does_not_open(store: Store) -> None:
    database = store("k")
    add(database)
    with database.write() as tx:
        tx.execute(update(patients).values(note=read_raw(database)["name"]))
    with pytest.raises(Unopenable):
        read(database)


def test_a_column_is_written_without_the_others(store: Store) -> None:
    database = store("k")
    add(database)
    with database.write() as tx:
        values = PERSONAL.seal(tx, {"name": "Bo"}, {"shop": 1, "number": "a"})
        tx.execute(update(patients).values(values))
    assert read(database) == ADA | {"name": "Bo"}


def test_what_is_not_read_is_not_opened(store: Store) -> None:
    database = store("k")
    add(database)
    with database.write() as tx:
        tx.execute(update(patients).values(note="\x02k\x02damaged"))
    with database.read() as tx:
        row = PERSONAL.open(tx, tx.execute(select(patients)).one())
        assert row.name == "Adä"
        with pytest.raises(Unopenable):
            _ = row.note
        with pytest.raises(AttributeError):
            _ = row.other


# On PostgreSQL a migration converts the columns; tests/upgrade takes filled ones through it.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_days_of_a_date_column_are_read(store: Store) -> None:
    database = store()
    dates = Table("dates", MetaData(), Column("born", Date))
    days = Table("dates", MetaData(), Column("born", Day()))
    dates.create(database.engine)
    with database.write() as tx:
        tx.execute(insert(dates).values(born=ADA["born"]))
        assert tx.execute(select(days.c.born)).scalar_one() == ADA["born"]
        tx.execute(update(days).values(born=date(1, 1, 1)))
        assert tx.execute(select(dates.c.born)).scalar_one() == date(1, 1, 1)

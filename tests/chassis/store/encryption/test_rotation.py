"""Rotation on both engines: plain rows and those of former keys come under the current one."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, Text, insert, select, update

from chassis.store.database import Database
from chassis.store.encryption import rotation
from chassis.store.encryption.columns import Personal
from chassis.store.encryption.keyring import Unopenable, is_sealed
from chassis.store.encryption.registry import (
    UnfitKeyring,
    build_keys_table,
    check_keyring,
    forget_key,
    list_registered,
    register_key,
)

metadata = MetaData()
patients = Table(
    "patients",
    metadata,
    Column("shop", Integer, primary_key=True, autoincrement=False),
    Column("number", String(10), primary_key=True),
    Column("name", Text),
)
keys = build_keys_table(MetaData())  # the store has it already
PERSONAL = Personal(patients, ["shop", "number"], ["name"], batch=3)
COUNT = 20
Store = Callable[..., Database]


def add(database: Database, first: int = 0, count: int = COUNT) -> None:
    rows = (
        {"shop": n % 3, "number": str(n), "name": f"patient {n}"}
        for n in range(first, first + count)
    )
    with database.write() as tx:
        tx.execute(insert(patients), [PERSONAL.seal(tx, row) for row in rows])


def read(database: Database) -> dict[str, str]:
    with database.read() as tx:
        return {row.number: row.name for row in PERSONAL.open_all(tx, tx.execute(select(patients)))}


def rotate(database: Database) -> int:
    assert database.keyring is not None
    return rotation.rotate_table(database, PERSONAL, database.keyring)


def expected(count: int = COUNT) -> dict[str, str]:
    return {str(n): f"patient {n}" for n in range(count)}


def test_it_works(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "PAGE_ROWS", 4)
    add(store())
    database = store("a")
    assert rotation.count_rows(database, [PERSONAL]) == {"": COUNT}
    assert rotate(database) == COUNT
    assert rotation.count_rows(database, [PERSONAL]) == {"a": COUNT}
    add(database, COUNT, 5)
    database = store("b", "a")
    add(database, COUNT + 5, 5)
    assert rotation.count_rows(database, [PERSONAL]) == {"a": COUNT + 5, "b": 5}
    assert rotate(database) == COUNT + 5
    assert rotation.count_rows(database, [PERSONAL]) == {"b": COUNT + 10}
    assert rotate(database) == 0
    assert read(store("b")) == expected(COUNT + 10)


def test_an_interrupted_rotation_continues(store: Store) -> None:
    add(store())
    database = store("a")

    class Killed(BaseException):
        pass

    counts: list[int] = []

    def interrupt(count: int) -> None:
        counts.append(count)
        if count >= 6:
            raise Killed

    assert database.keyring is not None
    with pytest.raises(Killed):
        rotation.rotate_table(database, PERSONAL, database.keyring, interrupt)
    assert 6 <= counts[-1] < COUNT
    assert rotation.count_rows(database, [PERSONAL]) == {"": COUNT - counts[-1], "a": counts[-1]}
    assert read(database) == expected()
    assert rotate(database) == COUNT - counts[-1]


def test_what_others_write_meanwhile_is_kept(store: Store) -> None:
    add(store())
    database, other = store("a"), store("a")

    def write() -> None:
        for n in range(COUNT):
            with other.write() as tx:
                row = {"shop": n % 3, "number": str(n)}
                values = PERSONAL.seal(tx, {"name": f"new {n}"}, row)
                is_row = (patients.c.shop == n % 3, patients.c.number == str(n))
                tx.execute(update(patients).where(*is_row).values(values))

    writer = threading.Thread(target=write)
    writer.start()
    rotate(database)
    writer.join()
    assert read(database) == {str(n): f"new {n}" for n in range(COUNT)}
    assert rotation.count_rows(database, [PERSONAL]) == {"a": COUNT}


def test_two_rotations_at_once_do_no_harm(store: Store) -> None:
    add(store())
    rotations = [threading.Thread(target=rotate, args=(store("a"),)) for _ in range(2)]
    for each in rotations:
        each.start()
    for each in rotations:
        each.join()
    assert read(store("a")) == expected()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_nothing_plain_stays_in_a_file(store: Store) -> None:
    database = store()
    add(database)
    path = Path(database.url.database or "")
    database.close()
    assert b"patient 7" in path.read_bytes()
    database = store("a")
    rotate(database)
    database.shrink_log()
    for file in path.parent.iterdir():
        assert b"patient" not in file.read_bytes().replace(b"patients", b"")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_nothing_plain_stays_in_a_table_that_is_vacuumed(store: Store) -> None:
    add(store())
    assert b"patient 7" in read_table_file(store("a"))
    rotate(store("a"))
    assert b"patient" not in read_table_file(store("a"))


def read_table_file(database: Database) -> bytes:
    """The file of the table in PostgreSQL's data folder, without its dead rows."""
    with database.engine.connect() as tx:
        tx.exec_driver_sql("VACUUM FULL patients")
        tx.exec_driver_sql("CHECKPOINT")
        path = "pg_read_binary_file(pg_relation_filepath('patients'))"
        content: bytes = tx.exec_driver_sql(f"SELECT {path}").scalar_one()
    return content


def test_a_damaged_row_ends_the_rotation_and_is_kept(store: Store) -> None:
    database = store("b", "a")
    add(store("a"), 0, 4)
    with database.write() as tx:
        tx.execute(update(patients).where(patients.c.number == "3").values(name="\x02a\x02xyz="))
    with pytest.raises(Unopenable):
        rotate(database)
    with database.read() as tx:
        names = tx.execute(select(patients.c.name)).scalars().all()
    assert len(names) == 4
    assert all(map(is_sealed, names))


def test_a_ring_must_fit_the_store(store: Store) -> None:
    database = store("a")
    check_keyring(database, keys)
    register_key(database, keys)
    register_key(database, keys)
    assert list_registered(database, keys) == ["a"]
    check_keyring(store("b", "a"), keys)
    for names, text in [
        ((), "encrypted with the key a: set ENCRYPTION_KEYS"),
        (("b",), "encrypted with the key a, which ENCRYPTION_KEYS lacks"),
    ]:
        with pytest.raises(UnfitKeyring, match=text):
            check_keyring(store(*names), keys)
    forget_key(database, keys, "a")
    check_keyring(store(), keys)


def test_another_key_of_the_same_name_does_not_fit(store: Store) -> None:
    database = store("a")
    with database.write() as tx:
        tx.execute(insert(keys).values(name="a", proof="0" * 32))
    with pytest.raises(UnfitKeyring, match="is not the one"):
        check_keyring(database, keys)

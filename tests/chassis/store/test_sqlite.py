"""A SQLite file: its settings on live connections, its locks, and a disk that is full."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from chassis.errors import Overloaded
from chassis.locks import create_file
from chassis.store.database import Database
from chassis.store.errors import find_database_error
from chassis.store.sqlite import hold_for_serving, is_trouble
from tests.chassis.probe import metadata, notes, put

ROOT = Path(__file__).parents[3]


def test_another_process_cannot_take_the_wal_away(database: Database, tmp_path: Path) -> None:
    """Closing a descriptor of the file would drop this process's locks on it."""
    put(database, "one")
    create_file(tmp_path / "probe.db")
    second = Database(str(database.url))
    second.close()
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('SELECT * FROM notes'); c.close()"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "probe.db"], check=True)
    assert (tmp_path / "probe.db-wal").exists()
    put(database, "two")
    with database.read() as tx:
        assert list(tx.execute(select(notes.c.text)).scalars()) == ["one", "two"]


def test_a_file_is_served_once(tmp_path: Path) -> None:
    path = tmp_path / "probe.db"
    with hold_for_serving(path, 0), pytest.raises(BlockingIOError), hold_for_serving(path, 0.2):
        pass
    with hold_for_serving(path, 0):
        pass


def test_a_file_is_served_once_under_all_its_names(tmp_path: Path) -> None:
    path, link = tmp_path / "probe.db", tmp_path / "links" / "probe.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with hold_for_serving(path, 0), pytest.raises(BlockingIOError), hold_for_serving(link, 0):
        pass
    with hold_for_serving(link, 0), pytest.raises(BlockingIOError), hold_for_serving(path, 0):
        pass
    assert list(link.parent.iterdir()) == [link]


def test_a_successor_waits_for_its_predecessor(tmp_path: Path) -> None:
    path, order = tmp_path / "probe.db", list[str]()
    entered, leave = threading.Event(), threading.Event()

    def hold_lock() -> None:
        with hold_for_serving(path):
            entered.set()
            leave.wait(30)
            order.append("drained")

    thread = threading.Thread(target=hold_lock)
    thread.start()
    entered.wait(30)
    leave.set()
    with hold_for_serving(path, 30):
        order.append("serves")
    thread.join()
    assert order == ["drained", "serves"]


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "probe.db"
    script = (
        "import sys, time; from pathlib import Path\n"
        "from chassis.store.sqlite import hold_for_serving\n"
        "with hold_for_serving(Path(sys.argv[1]), 0): print('held', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, path], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(BlockingIOError), hold_for_serving(path, 0):
        pass
    child.kill()
    child.communicate()
    with hold_for_serving(path, 30):
        pass


def test_check_finds_a_store_in_order(database: Database) -> None:
    put(database, "one")
    database.check()


def test_check_finds_overwritten_pages(database: Database, tmp_path: Path) -> None:
    put(database, "one")
    other = sqlite3.connect(tmp_path / "probe.db")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "probe.db").open("r+b") as file:
        file.write(b"x" * 4096)
    other.close()
    with pytest.raises(Overloaded) as raised:
        database.check()
    assert find_database_error(raised.value) == "SQLITE_NOTADB"


def test_check_finds_a_file_that_is_gone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/probe.db")
    (tmp_path / "probe.db").unlink()
    with pytest.raises(Overloaded) as raised:
        database.check()
    assert find_database_error(raised.value) == "SQLITE_CANTOPEN"
    assert not (tmp_path / "probe.db").exists()
    database.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.fail("This test mounts a tmpfs: run it as root.")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_overload_until_there_is_room(small_disk: Path) -> None:
    database = Database(f"sqlite:///{small_disk}/probe.db")
    metadata.create_all(database.engine)
    put(database, "before")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"0" * 4096)
        except OSError:
            pass

    def write_on() -> None:
        for _ in range(100):
            put(database, "x" * 100)

    with pytest.raises(Overloaded) as raised:
        write_on()
    assert find_database_error(raised.value) in {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
    with pytest.raises(Overloaded):
        database.check()
    filler.unlink()
    put(database, "after")
    database.check()
    with database.read() as tx:
        assert {"before", "after"} <= set(tx.execute(select(notes.c.text)).scalars())
    database.close()


def test_only_trouble_is_trouble() -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute("SELECT * FROM nothing")
    assert not is_trouble(raised.value)
    connection.close()

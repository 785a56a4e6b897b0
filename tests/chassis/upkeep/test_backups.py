"""Backup and restore of a SQLite store: what comes back, and what is refused."""

import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from chassis.store.database import Database
from chassis.upkeep import backups
from orders_svc.definition import SERVICE
from protos.orders_pb2 import CreateOrderRequest
from tests.chassis.cli.test_service import OPTICIAN, Process, run, serving, start_process
from tests.orders_svc.bodies import example, request
from tests.serving import build_basic, to_version


def url_of(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


@pytest.fixture
def store(templates: Callable[[str, str], str], tmp_path: Path) -> Path:
    """A store of the orders service with the demo data."""
    path = tmp_path / "data" / "orders.db"
    path.parent.mkdir(mode=0o700)
    shutil.copy(templates("orders", "sqlite"), path)
    return path


@pytest.fixture
def kept(store: Path, tmp_path: Path) -> Path:
    """A backup of it."""
    path = tmp_path / "orders.backup"
    assert run(url_of(store), "backup", str(path)).exit_code == 0
    return path


def dump(path: Path) -> list[str]:
    """Everything that is in a SQLite file, as SQL."""
    with closing(sqlite3.connect(path)) as opened:
        return list(opened.iterdump())


def restore(store: Path, source: Path, *words: str) -> tuple[int, str]:
    """Exit code and output of a restore."""
    done = run(url_of(store), "restore", str(source), *words)
    return done.exit_code, done.output


def create(service: Process) -> str:
    """The id of an order that a running service has acknowledged."""
    caller = (("authorization", build_basic("demo-client")), OPTICIAN)
    sent: CreateOrderRequest = request(example())
    return str(service.call("CreateOrder", sent, *caller).id)


def list_ids(path: Path) -> set[str]:
    """The ids of the orders in a SQLite file."""
    with closing(sqlite3.connect(path)) as opened:
        return {id_ for (id_,) in opened.execute("SELECT id FROM orders")}


def test_it_works(store: Path, kept: Path, tmp_path: Path) -> None:
    before = dump(store)
    assert dump(kept) == before
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["orders.backup"]
    shutil.rmtree(store.parent)
    code, told = restore(store, kept)
    size = kept.stat().st_size
    assert (code, told) == (0, f"{store}: schema {read_head()}, {size} bytes, checked\n")
    assert dump(store) == before
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    with serving(url_of(store)) as service:
        assert create(service)


def read_head() -> str:
    """The newest revision of the orders service."""
    from chassis.store.versions import find_heads

    (head,) = find_heads(SERVICE.migrations)
    return head


def test_it_tells_schema_and_size(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.backup"
    done = run(url_of(store), "backup", str(target))
    size = target.stat().st_size
    assert done.output == f"{target}: schema {read_head()}, {size} bytes, checked\n"


def test_a_running_service_is_backed_up_with_all_it_has_acknowledged(
    store: Path, tmp_path: Path
) -> None:
    target = tmp_path / "orders.backup"
    with serving(url_of(store)) as service:
        ids = {create(service) for _ in range(3)}
        assert store.with_name("orders.db-wal").exists()
        assert run(url_of(store), "backup", str(target)).exit_code == 0
        assert create(service)
    assert list_ids(target) == ids | (list_ids(target) - ids)
    assert ids <= list_ids(target)
    assert not list(tmp_path.glob("orders.backup-*"))


def test_an_existing_file_is_not_written_over(store: Path, kept: Path) -> None:
    before = kept.read_bytes()
    done = run(url_of(store), "backup", str(kept))
    assert (done.exit_code, done.output) == (
        1,
        f"Error: {kept} exists already; name a new file.\n",
    )
    assert kept.read_bytes() == before


def test_what_is_no_store_is_not_backed_up(tmp_path: Path) -> None:
    missing, target = tmp_path / "orders.db", tmp_path / "x"
    done = run(url_of(missing), "backup", str(target))
    assert (done.exit_code, done.output) == (1, f"Error: There is no store at {missing}.\n")
    sqlite3.connect(missing).close()
    missing.touch()
    done = run(url_of(missing), "backup", str(target))
    assert "run `migrate` first" in done.output
    missing.write_bytes(b"nonsense" * 1000)
    done = run(url_of(missing), "backup", str(target))
    assert (done.exit_code, done.output) == (
        1,
        f"Error: {missing} cannot be used: SQLITE_NOTADB.\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["orders.db"]


def test_a_store_with_dangling_rows_is_not_backed_up(store: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(store)) as opened:
        opened.execute("UPDATE users SET account_id = 999 WHERE id = 1")
        opened.commit()
    done = run(url_of(store), "backup", str(tmp_path / "x"))
    assert done.exit_code == 1
    assert "a row of users points to a row of accounts that does not exist" in done.output
    assert not (tmp_path / "x").exists()


def damage(path: Path) -> None:
    """Overwrite pages in the middle of a file."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 3 * 4096] = b"\xff" * 3 * 4096
    path.write_bytes(data)


def test_a_damaged_store_is_not_backed_up(store: Path, tmp_path: Path) -> None:
    damage(store)
    done = run(url_of(store), "backup", str(tmp_path / "x"))
    assert done.exit_code == 1
    assert "damaged" in done.output or "SQLITE_CORRUPT" in done.output
    assert not (tmp_path / "x").exists()


def test_an_existing_store_is_kept(store: Path, kept: Path) -> None:
    before = store.read_bytes()
    code, told = restore(store, kept)
    assert (code, told) == (
        1,
        f"Error: {store} exists: move it away, or pass --replace to set it aside.\n",
    )
    assert store.read_bytes() == before


def test_a_replaced_store_is_set_aside_whole(store: Path, kept: Path) -> None:
    with serving(url_of(store)) as service:
        made = create(service)
        service.process.kill()  # what it has written is in the WAL
        service.process.wait()
    assert store.with_name("orders.db-wal").stat().st_size
    code, told = restore(store, kept, "--replace")
    assert code == 0
    (aside,) = store.parent.glob("orders.db.replaced-????????T??????Z")
    assert told.splitlines()[0] == f"{aside}: the store until now"
    assert made in list_ids(aside)
    assert made not in list_ids(store)
    assert dump(store) == dump(kept)
    assert not list(store.parent.glob("*-wal")) + list(store.parent.glob("*.partial"))


def test_a_store_behind_a_symlink_is_replaced_where_it_is(store: Path, kept: Path) -> None:
    link = store.parent.with_name("orders.db")
    link.symlink_to(store)
    store.write_bytes(b"nonsense" * 1000)
    store.with_name("orders.db-wal").write_bytes(b"of the damaged one")
    code, told = restore(link, kept, "--replace")
    assert code == 0
    (aside,) = store.parent.glob("orders.db.replaced-????????T??????Z")
    assert told.splitlines()[0] == f"{aside}: the store until now"
    assert aside.read_bytes() == b"nonsense" * 1000
    assert link.readlink() == store
    assert dump(store) == dump(kept)
    assert {path.name for path in link.parent.iterdir()} == {"data", kept.name, link.name}


def test_a_damaged_store_can_be_replaced(store: Path, kept: Path) -> None:
    store.write_bytes(b"nonsense" * 1000)
    assert restore(store, kept, "--replace")[0] == 0
    assert dump(store) == dump(kept)
    (aside,) = store.parent.glob("orders.db.replaced-*")
    assert aside.read_bytes() == b"nonsense" * 1000


def test_a_store_that_is_served_is_not_replaced(store: Path, kept: Path) -> None:
    with serving(url_of(store)) as service:
        made = create(service)
        code, told = restore(store, kept, "--replace")
        assert (code, told) == (1, f"Error: A service serves {store}: stop it first.\n")
        assert create(service)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
    assert made in list_ids(store)
    assert restore(store, kept, "--replace")[0] == 0


def test_a_store_that_another_command_has_open_is_not_replaced(
    store: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "BUSY_SECONDS", 0.1)
    database = Database(url_of(store))
    try:
        with database.read() as tx:
            tx.exec_driver_sql("SELECT count(*) FROM orders").scalar()
        code, told = restore(store, kept, "--replace")
        assert code == 1
        assert told == (
            f"Error: Another process has {store} open: stop `dispatch` and other commands first.\n"
        )
    finally:
        database.close()
    assert [path.name for path in store.parent.glob("*.replaced*")] == []
    assert restore(store, kept, "--replace")[0] == 0


def test_a_backup_of_another_service_is_refused(
    store: Path, tmp_path: Path, templates: Callable[[str, str], str]
) -> None:
    other = tmp_path / "sessions.backup"
    plain = tmp_path / "sessions.db"
    shutil.copy(templates("sessions", "sqlite"), plain)
    backups.back_up(plain, other, "sessions")
    shutil.rmtree(store.parent)
    assert restore(store, other) == (1, f"Error: {other} is of another service.\n")
    assert restore(store, plain) == (
        1,
        f"Error: {plain} is no backup: make one with `backup`.\n",
    )
    assert not store.exists()


def test_a_newer_schema_is_refused_and_an_older_one_asks_for_migrate(
    store: Path, kept: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(kept)) as opened:
        opened.execute("UPDATE alembic_version SET version_num = '9999'")
        opened.commit()
    code, told = restore(store, kept, "--replace")
    assert code == 1
    assert told == (
        f"Error: {kept} has the schema 9999, which is newer than this version of the orders"
        " service: update it first.\n"
    )
    database = Database(url_of(store))
    to_version(database, SERVICE.migrations, "0007", down=True)
    database.close()
    older = tmp_path / "older.backup"
    assert "schema 0007" in run(url_of(store), "backup", str(older)).output
    shutil.rmtree(store.parent)
    code, told = restore(store, older)
    assert code == 0
    assert told.endswith("run `python -m orders_svc migrate`.\n")
    assert run(url_of(store), "migrate").exit_code == 0
    with serving(url_of(store)) as service:
        assert create(service)


def test_a_damaged_or_missing_backup_is_refused(store: Path, kept: Path, tmp_path: Path) -> None:
    before = store.read_bytes()
    damage(kept)
    code, told = restore(store, kept, "--replace")
    assert code == 1
    assert "damaged" in told or "SQLITE_CORRUPT" in told
    kept.write_text("nonsense")
    assert restore(store, kept, "--replace")[1] == (
        f"Error: {kept} cannot be used: SQLITE_NOTADB.\n"
    )
    kept.write_bytes(b"")
    assert "is no backup" in restore(store, kept, "--replace")[1]
    missing = tmp_path / "missing"
    assert restore(store, missing, "--replace") == (1, f"Error: There is no file {missing}.\n")
    assert store.read_bytes() == before


@contextmanager
def backing_up(store: Path, target: Path) -> Iterator[subprocess.Popen[str]]:
    """A backup in a process of its own."""
    with start_process(url_of(store), "backup", str(target)) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_backup_leaves_no_file_of_its_name(store: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(store)) as opened:
        opened.execute("CREATE TABLE ballast AS SELECT randomblob(200000000) AS bytes")
    target = tmp_path / "orders.backup"
    with backing_up(store, target) as process:
        while not list(tmp_path.glob("orders.backup.*.partial")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        process.kill()
        process.wait()
    assert not target.exists()
    assert run(url_of(store), "backup", str(target)).exit_code == 0


def test_postgresql_names_its_own_tools(
    templates: Callable[[str, str], str], tmp_path: Path
) -> None:
    for words in (("backup", "x"), ("restore", "x")):
        done = run("postgresql+psycopg://user:secret@nowhere/orders", *words)
        assert done.exit_code == 1
        assert "pg_dump --format=custom" in done.output
        assert "pg_restore --exit-on-error --single-transaction" in done.output
        assert "secret" not in done.output


def test_marks_differ() -> None:
    marks: set[Any] = {
        backups.compute_mark(name) for name in ("sessions", "orders", "subscriptions")
    }
    assert len(marks) == 3
    assert all(0 < mark < 2**31 for mark in marks)

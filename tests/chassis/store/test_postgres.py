"""Nothing waits for PostgreSQL without a bound, and it needs no options at the start."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest
from sqlalchemy import insert, make_url, select, text

from chassis import context
from chassis.context import Call
from chassis.errors import Overloaded, TooLate
from chassis.store.database import Database
from chassis.store.errors import find_database_error
from chassis.store.migrations import migrate
from chassis.store.postgres import (
    CONNECT_SECONDS,
    LEAST_CONNECT_SECONDS,
    Drain,
    find_missing_settings,
    get_driver,
)
from orders_svc.definition import SERVICE
from tests import postgres
from tests.chassis.probe import metadata, notes
from tests.chassis.store.proxy import run_proxy

SECONDS = 1.0  # how long the caller of `serving` waits


class Patience:
    """As much of a gRPC context as a call asks."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds

    def time_remaining(self) -> float:
        return self.ends - time.monotonic()

    def is_active(self) -> bool:
        return self.time_remaining() > 0


@contextmanager
def serving(seconds: float = SECONDS) -> Iterator[None]:
    """A call with this deadline, served by this thread."""
    context.begin_call(Call("rpc", "id", {}, Patience(seconds)))
    try:
        yield
    finally:
        context.end_call()


@pytest.fixture
def url() -> Iterator[str]:
    server, name = os.environ["TEST_POSTGRES_URL"], f"bounds_{uuid.uuid4().hex[:12]}"
    made = postgres.create_database(server, name)
    database = Database(made)
    metadata.create_all(database.engine)
    database.close()
    yield made
    postgres.drop_database(server, name)


def put(database: Database, note: str, *, single: bool = False) -> None:
    with database.write(single=single) as tx:
        tx.execute(insert(notes).values(text=note))


def list_kept(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.execute(select(notes.c.text).order_by(notes.c.id)).scalars())


@pytest.mark.parametrize("single", [False, True])
def test_a_server_that_acknowledges_and_never_answers(url: str, single: bool) -> None:
    with run_proxy(url) as (proxy, through):
        database = Database(through)
        for _ in range(2):
            put(database, "before", single=single)
            proxy.is_mute.set()
            began = time.monotonic()
            with serving(), pytest.raises(Overloaded):
                put(database, "never", single=single)
            with serving(), pytest.raises(Overloaded), database.read() as tx:
                tx.execute(select(1))
            assert time.monotonic() - began < 30
            proxy.is_mute.clear()
        put(database, "after")
        assert "after" in list_kept(database)
        database.close()


def test_a_connect_takes_no_longer_than_its_caller_waits() -> None:
    found = []
    for seconds in (60, 3, 0.5):
        with serving(seconds), Drain().connecting() as limit:
            found.append(limit)
    assert found[0] == CONNECT_SECONDS
    assert LEAST_CONNECT_SECONDS <= found[1] <= 3
    assert found[2] == LEAST_CONNECT_SECONDS


def test_a_frozen_backend_is_left_at_the_deadline(url: str) -> None:
    database, other = Database(url), Database(url)

    def freeze() -> None:
        with database.write() as tx:
            tx.execute(insert(notes).values(text="frozen"))
            pid = tx.execute(text("SELECT pg_backend_pid()")).scalar()
            assert isinstance(pid, int)
            os.kill(pid, signal.SIGSTOP)
            frozen.append(pid)
            tx.execute(insert(notes).values(text="frozen"))

    frozen: list[int] = []
    try:
        for _ in range(3):
            with serving(), pytest.raises(Overloaded):
                freeze()
        put(other, "others go on")
        assert list_kept(other) == ["others go on"]
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        database.close()
        other.close()


def test_a_look_at_a_server_that_never_answers_ends_in_seconds(url: str) -> None:
    with run_proxy(url) as (proxy, through):
        database = Database(through)
        database.check()
        proxy.is_mute.set()
        began = time.monotonic()
        with pytest.raises(Overloaded):
            database.check()
        assert time.monotonic() - began < context.MAX_CALL_SECONDS / 2
        proxy.is_mute.clear()
        database.close()


@pytest.fixture
def short_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain waits a second at most, and for a connect as long as psycopg does at least."""
    monkeypatch.setattr("chassis.store.postgres.DRAIN_WAIT_SECONDS", 1.0)


@pytest.mark.usefixtures("short_drain")
def test_a_drain_waits_seconds_for_a_server_that_never_answers(url: str) -> None:
    with run_proxy(url) as (proxy, through):
        database = Database(through)
        put(database, "before")
        proxy.is_mute.set()
        failures: list[Overloaded] = []

        def wait_without_a_caller() -> None:
            with pytest.raises(Overloaded) as raised:
                put(database, "never")
            failures.append(raised.value)

        thread = threading.Thread(target=wait_without_a_caller)
        thread.start()
        time.sleep(0.2)  # so that it waits already
        began = time.monotonic()
        database.drain()
        thread.join()
        assert time.monotonic() - began < context.MAX_CALL_SECONDS / 2
        assert len(failures) == 1
        wait_without_a_caller()
        assert time.monotonic() - began < context.MAX_CALL_SECONDS
        database.close()


@pytest.mark.usefixtures("short_drain")
def test_a_drain_tries_once_to_connect_to_a_server_that_never_answers(url: str) -> None:
    with run_proxy(url) as (proxy, through):
        database = Database(through)
        put(database, "before")
        proxy.is_mute.set()
        database.drain()
        for _ in range(4):  # as many loops that want to write what they still have
            with pytest.raises(Overloaded):
                put(database, "never")
        database.close()
        connects = len(proxy.sockets) // 2
    assert connects == 2


def test_a_commit_past_the_deadline_is_refused(url: str) -> None:
    database = Database(url)

    def sleep_in_the_block() -> None:
        with database.write() as tx:
            tx.execute(insert(notes).values(text="late"))
            time.sleep(0.3)

    with serving(0.2), pytest.raises(TooLate):
        sleep_in_the_block()
    assert list_kept(database) == []
    database.close()


def test_a_statement_that_takes_longer_than_its_caller_waits_is_too_late(url: str) -> None:
    database = Database(url)
    with serving(0.3), pytest.raises(TooLate), database.write() as tx:
        tx.execute(text("SELECT pg_sleep(5)"))
    database.close()


def test_a_statement_that_ends_before_its_caller_gives_up_may_be_tried_again(url: str) -> None:
    database = Database(url)

    def sleep_too_long() -> None:
        with database.write() as tx:
            tx.execute(text("SET LOCAL statement_timeout = 50"))
            tx.execute(text("SELECT pg_sleep(5)"))

    with serving(5), pytest.raises(Overloaded):
        sleep_too_long()
    database.close()


def test_a_statement_ends_in_the_server_too(url: str) -> None:
    database = Database(url)
    with database.write() as tx:
        row = tx.execute(
            text("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        ).one()
    assert tuple(row) == ("5s", "20s")
    with serving(), database.write() as tx:
        limit = tx.execute(text("SELECT current_setting('statement_timeout')")).scalar()
    assert re.fullmatch("1s|[0-9]{1,3}ms", str(limit))
    database.close()


def test_a_store_that_cannot_be_written_is_overload(url: str) -> None:
    database = Database(url)

    def write() -> None:
        with database.write() as tx:
            tx.execute(text("SET TRANSACTION READ ONLY"))
            tx.execute(insert(notes).values(text="never"))

    with pytest.raises(Overloaded):
        write()
    database.close()


def test_migrate_settles_the_role(url: str) -> None:
    database = Database(url)
    with database.read() as tx:
        assert find_missing_settings(get_driver(tx)) != []
        assert not get_driver(tx).is_settled
    with database.write() as tx:
        tx.execute(
            text("DROP TABLE notes, old_secrets, accounts, idempotency_keys, reference_changes")
        )
        tx.execute(text("DROP TABLE audit_entries, audit_seals, audit_turns, encryption_keys"))
    migrate(database, SERVICE.migrations)
    database.close()
    again = Database(url)
    with again.read() as tx:
        assert get_driver(tx).is_settled
        assert tx.execute(text("SHOW timezone")).scalar() == "UTC"
    again.close()


def test_an_error_has_its_sqlstate_for_the_log(url: str) -> None:
    database = Database(url)
    with pytest.raises(Exception, match="does_not_exist") as raised, database.read() as tx:
        tx.execute(text("SELECT does_not_exist"))
    assert find_database_error(raised.value) == "42703"
    assert find_database_error(ValueError()) == ""
    database.close()


def is_answered(path: Path) -> bool:
    """Whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@contextmanager
def run_pgbouncer(url: str, folder: Path) -> Iterator[str]:
    """Debian's PgBouncer in transaction mode before the server at `url`."""
    program = which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.fail("Install PgBouncer for this test: apt-get install pgbouncer")
    given = make_url(url)
    host, port = given.query["host"], given.query.get("port", "5432")
    (folder / "users.txt").write_text('"postgres" ""\n')
    (folder / "bouncer.ini").write_text(
        f"""[databases]
{given.database} = host={host} port={port} dbname={given.database} user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6543
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 4
"""
    )
    account: dict[str, object] = {}
    if os.geteuid() == 0:
        # PgBouncer refuses to run as root: as the server's own account it reaches its socket.
        owner = Path(str(host)).stat()
        for each in (folder, *folder.iterdir()):
            os.chown(each, owner.st_uid, owner.st_gid)
        account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    process = subprocess.Popen(
        [program, "-q", str(folder / "bouncer.ini")],
        **account,  # type: ignore[call-overload]  # by name
    )
    through = given.set(query={"host": str(folder), "port": "6543"})
    try:
        deadline = time.monotonic() + 30
        while not is_answered(folder / ".s.PGSQL.6543"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield through.render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(30)


def test_it_works_behind_pgbouncer(url: str) -> None:
    folder = Path(
        subprocess.check_output(["mktemp", "-d", "/tmp/bouncer.XXXXXX"], text=True).strip()
    )
    with run_pgbouncer(url, folder) as through:
        database = Database(through, prepare=False)
        for number in range(20):
            put(database, str(number), single=number % 2 == 0)
        with database.stream() as tx:
            assert len(tx.execute(select(notes)).all()) == 20
        database.check()
        database.close()

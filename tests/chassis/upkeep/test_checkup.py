"""What `doctor` finds, by real stores on both engines, and its exit codes."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner
from sqlalchemy import update
from werkzeug.security import generate_password_hash

from chassis.events.states import DEAD, PENDING
from chassis.store.database import Database
from chassis.store.migrations import migrate
from chassis.upkeep.checkup import Finding, check_disk, check_permissions
from orders_svc.__main__ import cli
from orders_svc.definition import SERVICE
from orders_svc.store import tables
from tests.serving import to_version

OUTBOX = SERVICE.outbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder as it should be."""
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def url(store_url: Callable[[str, str], str], engine: str, folder: Path) -> str:
    """A store of the orders service with the demo data; SQLite's is in the data folder."""
    made = store_url("orders", engine)
    if engine == "postgresql":
        return made
    shutil.move(made.removeprefix("sqlite:///"), folder / "orders.db")
    (folder / "orders.db").chmod(0o600)
    return f"sqlite:///{folder}/orders.db"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """That store, without the secrets of the demo."""
    opened = Database(url)
    with opened.write() as tx:
        tx.execute(update(SERVICE.accounts.table).values(secret_hash="0" * 64))
        changed = generate_password_hash("a password of their own", "pbkdf2:sha256:1")
        tx.execute(update(tables.users).values(password_hash=changed))
    yield opened
    opened.close()


def doctor(folder: Path, url: str, **environment: str) -> tuple[int, list[str]]:
    """Exit code and lines of a doctor."""
    clean = {name: None for name in os.environ if name.startswith("GRPC_TLS")}
    words = ["--data-dir", str(folder), "--database-url", url, "doctor"]
    done = CliRunner().invoke(cli, words, env={**clean, **environment})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output.splitlines()


def add_event(database: Database, state: str, due: datetime, id_: str = "evt_1") -> None:
    """Add an event to the outbox."""
    row: dict[str, Any] = {
        "id": id_, "owner": "demo-client", "stream": "ord_1", "type": "order.submitted",
        "content_type": "application/json", "body": "{}", "state": state, "attempts": 0,
        "created_at": due, "due_at": due,
    }  # fmt: skip
    with database.write() as tx:
        tx.execute(OUTBOX.table.insert().values(**row))


def test_it_works(folder: Path, url: str, database: Database) -> None:
    assert doctor(folder, url) == (0, ["Nothing to report."])


def test_a_demo_has_the_secrets_of_the_demo(folder: Path, url: str) -> None:
    code, lines = doctor(folder, url)
    assert code == 2
    assert lines == [
        *(
            f"fault: The account {name} has the demo's secret, which anybody can read:"
            f" run `python -m orders_svc accounts revoke {name}`."
            for name in ("demo-client", "demo-staff", "other-client")
        ),
        *(
            f"fault: The login {email} has the demo's password, which anybody can read."
            for email in ("optician@example.com", "second@example.com", "stranger@example.org")
        ),
    ]


def test_a_missing_store_is_a_fault_and_stays_missing(folder: Path) -> None:
    store = folder / "orders.db"
    assert doctor(folder, f"sqlite:///{store}") == (
        2,
        [f"fault: There is no store at {store}: run `python -m orders_svc migrate`."],
    )
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "url", ["sqlite://", "nonsense", "postgresql+psycopg://x@127.0.0.1:1/orders"]
)
def test_a_store_that_cannot_be_opened_is_a_fault(folder: Path, url: str) -> None:
    code, lines = doctor(folder, url)
    assert code == 2
    assert len(lines) == 1


@pytest.mark.parametrize("mode", [0o600, 0o644])  # it may be nothing of ours
def test_a_damaged_store_is_a_fault(folder: Path, mode: int) -> None:
    store = folder / "orders.db"
    store.write_bytes(b"nonsense" * 1000)
    store.chmod(mode)
    assert doctor(folder, f"sqlite:///{store}") == (
        2,
        ["fault: The store cannot be read: SQLITE_NOTADB"],
    )


def test_another_schema_is_a_fault(folder: Path, url: str, database: Database) -> None:
    to_version(database, SERVICE.migrations, "0007", down=True)
    older = "The schema is older than this version: run `python -m orders_svc migrate`."
    assert doctor(folder, url) == (2, [f"fault: {older}"])
    migrate(database, SERVICE.migrations)
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    newer = "The schema is newer than this version of orders_svc: update it."
    assert doctor(folder, url) == (2, [f"fault: {newer}"])
    with database.write() as tx:
        tx.exec_driver_sql("DROP TABLE alembic_version")
    assert doctor(folder, url) == (2, [f"fault: {older}"])


def test_a_clock_behind_the_store_is_a_fault(folder: Path, url: str, database: Database) -> None:
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    add_event(database, "delivered", ahead)
    assert doctor(folder, url) == (
        2,
        [f"fault: The clock is behind the newest event, of {ahead:%Y-%m-%d %H:%M:%S} UTC."],
    )


def test_events_that_are_overdue_or_given_up(folder: Path, url: str, database: Database) -> None:
    now = datetime.now(UTC)
    add_event(database, PENDING, now - timedelta(minutes=14), "evt_young")
    assert doctor(folder, url) == (0, ["Nothing to report."])
    add_event(database, DEAD, now - timedelta(days=1), "evt_dead")
    given_up = (
        "warning: 1 events were given up: see `python -m orders_svc events list --state dead`."
    )
    assert doctor(folder, url) == (1, [given_up])
    add_event(database, PENDING, now - timedelta(minutes=16), "evt_old")
    overdue = "fault: 1 events have been due for more than 15 minutes: does a dispatcher run?"
    assert doctor(folder, url) == (2, [overdue, given_up])


def test_a_disabled_endpoint_is_a_warning(folder: Path, url: str, database: Database) -> None:
    with database.write() as tx:
        row: dict[str, Any] = {
            "url": "https://x.example/",
            "headers": {},
            "secret": "whsec_x",
            "events": None,
        }
        OUTBOX.endpoints.put(tx, "demo-client", row, datetime.now(UTC))
        table, at = OUTBOX.endpoints.table, datetime(2026, 3, 1, tzinfo=UTC)
        tx.execute(update(table).where(table.c.owner == "demo-client").values(disabled_at=at))
    told = "warning: The endpoint of demo-client is disabled since it answered 410, on 2026-03-01."
    assert doctor(folder, url) == (1, [told])


def test_what_others_can_read_is_a_warning(
    folder: Path, url: str, database: Database, engine: str
) -> None:
    folder.chmod(0o755)
    expected = [f"warning: {folder} is open to others (mode 755): run `chmod 700 {folder}`."]
    if engine == "sqlite":
        store = folder / "orders.db"
        store.chmod(0o640)
        expected += [f"warning: {store} is open to others (mode 640): run `chmod 600 {store}`."]
    code, lines = doctor(folder, url)
    assert code == 1
    assert lines[: len(expected)] == expected


def test_what_belongs_to_another_user_is_a_warning(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can change an owner")
    path = tmp_path / "x"
    path.touch(mode=0o600)
    os.chown(path, 12345, 12345)
    told = f"{path} does not belong to the user that this runs as."
    assert list(check_permissions([path])) == [Finding(1, told)]


def test_a_full_disk_is_a_fault_and_a_small_one_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_with(free: int) -> list[Finding]:
        usage = shutil._ntuple_diskusage(10**12, 10**12 - free, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        return list(check_disk(tmp_path, 300 * 2**20))

    assert disk_with(600 * 2**20) == []
    assert [each.level for each in disk_with(599 * 2**20)] == [1]
    assert disk_with(199 * 2**20) == [Finding(2, f"Only 199 MiB are free in {tmp_path}.")]


def write_certificate(path: Path, begins: timedelta, ends: timedelta) -> None:
    """Write a certificate that is valid from and to some time from now."""
    now = datetime.now(UTC)
    made = trustme.CA(organization_name="Optigate").issue_cert(
        "localhost", not_before=now + begins, not_after=now + ends
    )
    made.cert_chain_pems[0].write_to_path(path)


@pytest.mark.parametrize(
    ("begins", "ends", "code"),
    [(-1, 22, 0), (-1, 20, 1), (-2, -1, 2), (1, 90, 2)],
)
def test_certificates_are_looked_at(
    folder: Path, url: str, database: Database, begins: int, ends: int, code: int
) -> None:
    path = folder.parent / "server.pem"
    write_certificate(path, timedelta(days=begins), timedelta(days=ends))
    found, lines = doctor(folder, url, GRPC_TLS_CERT=str(path))
    assert found == code
    if code:
        (line,) = lines
        assert (
            line.removeprefix("fault: ")
            .removeprefix("warning: ")
            .startswith(f"GRPC_TLS_CERT: {path} ")
        )


def test_certificates_that_cannot_be_read_are_faults(
    folder: Path, url: str, database: Database
) -> None:
    text, missing = folder.parent / "text.pem", folder.parent / "missing.pem"
    text.write_text("nonsense")
    key = folder.parent / "key.pem"
    key.write_text("x")
    key.chmod(0o644)
    variables = {"GRPC_TLS_CERT": text, "GRPC_TLS_CLIENT_CA": missing, "GRPC_TLS_KEY": key}
    assert doctor(folder, url, **{name: str(path) for name, path in variables.items()}) == (
        2,
        [
            f"fault: GRPC_TLS_CERT: {text} cannot be read as certificates in PEM.",
            f"fault: GRPC_TLS_CLIENT_CA: {missing} cannot be read as certificates in PEM.",
            f"warning: {key} is open to others (mode 644): run `chmod 600 {key}`.",
        ],
    )

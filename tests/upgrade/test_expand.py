"""Migrations expand: processes of 0.1.0 go on reading and writing while they run and afterwards.

What they do is done here by their tables: those of their revision, and no column more.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chassis.context import utc_now
from chassis.store.database import Database
from chassis.store.migrations import migrate
from protos import orders_pb2 as pb
from tests.serving import SERVICES, get_definition, serve
from tests.upgrade.test_from_0_1 import create_store, fill

# A table that each service writes all the time, with what makes a copy of a row another row.
WRITTEN = {"sessions": "sessions", "orders": "orders", "subscriptions": "outbox"}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Each service."""
    name: str = request.param
    return name


@pytest.fixture
def store(service: str, engine: str, tmp_path: Path) -> Iterator[Database]:
    """A store as 0.1.0 filled it."""
    with create_store(engine, tmp_path) as url:
        database = Database(url)
        fill(database, service)
        yield database
        database.close()


def reflect(database: Database) -> sa.MetaData:
    """The tables of a store."""
    metadata = sa.MetaData()
    with database.read() as tx:
        metadata.reflect(tx)
    return metadata


class OldProcess:
    """A process of 0.1.0: it knows the tables of then, and writes and reads them."""

    def __init__(self, database: Database, service: str) -> None:
        # Prepared statements outlive no change of a column's type: docs/upgrade.md.
        self.database = Database(database.url.render_as_string(hide_password=False), prepare=False)
        self.table = reflect(database).tables[WRITTEN[service]]
        self.written: list[str] = []
        with self.database.read() as tx:
            rows = tx.execute(sa.select(self.table)).mappings().all()
        found = next((row for row in rows if row.get("lab_status") == "submitted"), rows[0])
        assigned = {"id", "sequence"} - {self.key.name}  # by the store
        self.pattern = {str(name): value for name, value in found.items() if name not in assigned}

    def write(self) -> str:
        """Write a row, change it, and read it."""
        made = f"ord_{uuid.uuid4().hex[:24]}"
        row = {**self.pattern, self.key.name: made}
        row |= {name: utc_now() for name in ("created_at", "updated_at") if name in row}
        same = self.key == made
        with self.database.write() as tx:
            tx.execute(self.table.insert(), row)
            tx.execute(self.table.update().where(same).values(row))
            assert tx.execute(sa.select(self.table).where(same)).one()
        self.written.append(made)
        return made

    def close(self) -> None:
        """End it."""
        self.database.close()

    @property
    def key(self) -> sa.Column[Any]:
        """The column that tells its rows apart."""
        return self.table.c.session_key if self.table.name == "sessions" else self.table.c.id


@pytest.fixture
def old(store: Database, service: str) -> Iterator[OldProcess]:
    """A process of 0.1.0 on that store."""
    with closing(OldProcess(store, service)) as process:
        yield process


def list_narrowed(before: sa.MetaData, after: sa.MetaData) -> Iterator[str]:
    """What a process of before could no longer read or write."""
    for name, table in before.tables.items():
        now = after.tables.get(name)
        if now is None:
            yield f"{name}: is gone"
            continue
        for column in table.columns:
            found = now.columns.get(column.name)
            if found is None:
                yield f"{name}.{column.name}: is gone"
            elif column.nullable and not found.nullable:
                yield f"{name}.{column.name}: must not be NULL any more"
        for column in now.columns:
            fills_itself = column.nullable or column.server_default is not None
            if column.name not in table.columns and not fills_itself:
                yield f"{name}.{column.name}: has no default"


def test_it_works(service: str, store: Database) -> None:
    before = reflect(store)
    migrate(store, get_definition(service).migrations)
    assert list(list_narrowed(before, reflect(store))) == []


def test_an_old_process_writes_while_a_store_is_migrated(
    service: str, store: Database, old: OldProcess
) -> None:
    old.write()
    is_done, failures = threading.Event(), list[str]()

    def work() -> None:
        while not is_done.is_set():
            try:
                old.write()
            except Exception as error:  # noqa: BLE001 - it is reported
                failures.append(repr(error))
                return

    worker = threading.Thread(target=work)
    worker.start()
    other = Database(store.url.render_as_string(hide_password=False))
    migrate(other, get_definition(service).migrations)
    other.close()
    is_done.set()
    worker.join()
    old.write()
    assert failures == []
    assert len(old.written) >= 2


def test_both_versions_see_the_orders_of_each(engine: str, tmp_path: Path) -> None:
    with create_store(engine, tmp_path) as url, ExitStack() as stack:
        database = Database(url)
        fill(database, "orders")
        old = stack.enter_context(closing(OldProcess(database, "orders")))
        migrate(database, get_definition("orders").migrations)
        made = old.write()
        served = serve("orders", database)
        try:
            found = served.call("GetOrder", pb.GetOrderRequest(order_id=made))
            assert found.id == made
            listed = served.call(
                "ListOrders",
                pb.ListOrdersRequest(
                    lab=old.pattern["lab_id"],
                    account_number=old.pattern["account_number"],
                    limit=100,
                ),
            )
            assert made in [each.id for each in listed.data]
            change = pb.UpdateOrderRequest(order_id=made, lab_status="in_progress")
            served.call("UpdateOrder", change, "staff", desk=True)
            with old.database.read() as tx:
                row = tx.execute(sa.select(old.table).where(old.table.c.id == made)).one()
            assert (row.lab_status, row.document) == ("in_progress", old.pattern["document"])
        finally:
            served.stop()
            database.close()

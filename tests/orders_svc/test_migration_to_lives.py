"""A store of revision 0008: its orders have a history as far as their times tell, and stay."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from chassis.store.database import Database
from chassis.store.migrations import migrate
from orders_svc.store import tables
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, example
from tests.orders_svc.life import list_history
from tests.orders_svc.rpcs.test_get_order import fetch_order
from tests.serving import USERS, get_definition, serve, to_version

FOLDER = get_definition("orders").migrations
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
COLUMNS = (
    *("id", "account_id", "user_id", "lab_id", "account_number", "lab_status", "document"),
    *("created_at", "submitted_at", "updated_at", "first_last", "last_first"),
)


def add_order(database: Database, number: int, lab_status: str, mode: str) -> str:
    """Add an order as revision 0008 wrote it."""
    table = sa.table("orders", *(sa.column(name, tables.orders.c[name].type) for name in COLUMNS))
    words = sa.table("name_words", *map(sa.column, ("account_id", "name", "order_id")))
    document: Body = {**example(), "mode": mode}
    with database.write() as tx:
        account = tables.accounts.ids(tx)["demo-client"]
        user = tx.execute(
            sa.select(tables.users.c.id).where(tables.users.c.email == USERS["client"])
        ).scalar_one()
        row: dict[str, Any] = {
            "id": f"ord_{number:024x}",
            "account_id": account,
            "user_id": user,
            "lab_id": "lab_123",
            "account_number": "1234567",
            "lab_status": lab_status,
            "document": document,
            "created_at": MOMENT,
            "submitted_at": None if lab_status == "draft" else MOMENT + timedelta(hours=1),
            "updated_at": MOMENT + timedelta(hours=2),
            "first_last": "ada example",
            "last_first": "example ada",
        }
        tx.execute(sa.insert(table), row)
        of = {"account_id": account, "name": "word", "order_id": row["id"]}
        tx.execute(sa.insert(words), of)
    return str(row["id"])


def test_it_works(store_url: Callable[[str, str], str], engine: str) -> None:
    database = Database(store_url("orders", engine))
    to_version(database, FOLDER, "0008", down=True)
    ids = [
        add_order(database, number, *of)
        for number, of in enumerate(
            [("draft", "draft"), ("shipped", "draft"), ("on_hold", "submit")]
        )
    ]
    migrate(database, FOLDER)
    with database.read() as tx:
        kept = tx.execute(sa.select(tables.name_words.c.order_id)).scalars().all()
    assert set(ids) <= set(kept)  # no row was lost on the way
    served = serve("orders", database)
    user = ("client", USERS["client"], "")
    try:
        draft, drafted, sent = (fetch_order(served, each) for each in ids)
        assert list_history(draft) == [("created", "draft", *user)]
        assert list_history(drafted) == [
            ("created", "draft", *user),
            ("submitted", "submitted", "client", "", ""),
            ("status_changed", "shipped", "", "", ""),
        ]
        assert list_history(sent) == [
            ("created", "submitted", *user),
            ("status_changed", "on_hold", "", "", ""),
        ]
        change = pb.UpdateOrderRequest(order_id=ids[2], lab_status="in_progress", lab_word="Go")
        served.call("UpdateOrder", change, "staff", desk=True)
        assert list_history(fetch_order(served, ids[2]))[-1] == (
            "status_changed",
            "in_progress",
            "lab",
            "",
            "Go",
        )
    finally:
        served.stop()
    database.close()


def test_a_downgrade_keeps_every_order(store_url: Callable[[str, str], str], engine: str) -> None:
    database = Database(store_url("orders", engine))
    to_version(database, FOLDER, "0008", down=True)
    ids = [add_order(database, number, "submitted", "submit") for number in range(2)]
    migrate(database, FOLDER)
    for order_id, status in zip(ids, ("pending_transmission", "ready_for_pickup"), strict=True):
        with database.write() as tx:
            this = tables.orders.c.id == order_id
            tx.execute(sa.update(tables.orders).where(this).values(lab_status=status))
    to_version(database, FOLDER, "0008", down=True)
    with database.read() as tx:
        found = dict(map(tuple, tx.exec_driver_sql("SELECT id, lab_status FROM orders")))
    assert [found[each] for each in ids] == ["submitted", "shipped"]
    database.close()

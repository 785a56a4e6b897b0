"""`python -m bench translate`: what one order costs from bytes to the store, in microseconds.

Each figure is the best of several repeats in this process; figures of one run
compare with each other, not with another machine's.
"""

import json
import tempfile
import timeit
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from chassis.context import Account
from chassis.messages.plain import to_dict
from chassis.messages.reader import Reader
from chassis.messages.writer import Writer
from chassis.store.database import Database
from chassis.store.migrations import migrate
from orders_svc.__main__ import SERVICE
from orders_svc.rpcs.order_service import CREATE_ORDER
from orders_svc.rules.warnings.review import Review
from orders_svc.store import catalogs, orders, tables, users
from protos.orders_pb2 import CreateOrderRequest

DEMO = Path(__file__).parent.parent / "demo"
REPEATS = 7


def microseconds(work: Callable[[], Any], times: int) -> float:
    """The best time of one piece of work."""
    return min(timeit.repeat(work, number=times, repeat=REPEATS)) / times * 1e6


def orders_store(folder: str) -> Database:
    """A store with the demo data."""
    database = Database(f"sqlite:///{folder}/orders.db")
    migrate(database, SERVICE.migrations)
    reference = SERVICE.reference.load(tomllib.loads((DEMO / "orders.toml").read_text()))
    with database.write() as tx:
        SERVICE.load(tx, reference)
    return database


def translate() -> None:
    """Print the table."""
    order = json.loads((DEMO / "order.json").read_text())
    del order["frame"]["tracing"]
    body = json.dumps(order).encode()
    reader, writer = Reader(CreateOrderRequest), Writer(CreateOrderRequest)
    request = reader.read(body)
    values = CREATE_ORDER.check(request)
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        database = orders_store(folder)
        with database.read() as tx:
            account = Account(tables.accounts.ids(tx)["demo-client"], "demo-client", "client")
            user = users.find_user_id(tx, account, "optician@example.com")
            assert user is not None

        def offer() -> None:
            with database.read() as tx:
                lens = catalogs.LensIds.of(values["lab"], values["lens"])
                users.find_settings(tx, user, values["lab"], values["account_number"])
                catalogs.find_lens_parts(tx, lens)

        def insert() -> None:
            with database.write() as tx:
                orders.add_order(tx, account, user, values, Review([], {}), now)

        rows: list[tuple[str, Callable[[], Any], int]] = [
            ("bytes -> CreateOrderRequest", lambda: reader.read(body), 2000),
            ("json_format.Parse", lambda: json_format.Parse(body, CreateOrderRequest()), 300),
            ("message -> dict", lambda: to_dict(request), 2000),
            ("message -> dict, marshmallow rules", lambda: CREATE_ORDER.check(request), 500),
            ("message -> bytes", lambda: writer.write(request), 2000),
            ("json_format.MessageToJson", lambda: json_format.MessageToJson(request), 300),
            ("what the lab offers, SQLite", offer, 200),
            ("insert + commit, SQLite, synchronous=FULL", insert, 100),
        ]
        print(f"An order of {len(body)} bytes, microseconds, best of {REPEATS}:")
        for name, work, times in rows:
            print(f"  {name:45}{microseconds(work, times):8.1f}")
        database.close()

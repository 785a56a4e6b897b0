"""`python -m bench subscriptions-scale`: the subscriptions service with an empty and a full store.

The empty one has a page of subscriptions, the full one a hundred thousand more with their ledger.
Calls go to both in turn, over gRPC, one at a time: medians in milliseconds, and their ratio.
"""

import itertools
import logging
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import click
import grpc
import structlog
from dateutil.relativedelta import relativedelta
from sqlalchemy import Connection, Table, create_engine, insert, select, text, update

from bench.experiments.contenders import stores
from bench.experiments.single import ENGINE
from bench.report.measure import machine
from bench.scenarios.bodies import basic
from bench.scenarios.works import BIG, confirmed, delivery
from chassis.context import utc_now
from chassis.store.database import JSON, Database
from demo.__main__ import prepare
from protos import subscriptions_pb2 as pb
from protos.subscriptions_pb2_grpc import SubscriptionServiceStub
from subscriptions_svc import store
from subscriptions_svc.__main__ import SERVICE
from subscriptions_svc.searching import words
from subscriptions_svc.solicitations import new_code
from subscriptions_svc.years import year_of

CALLER = (("authorization", basic("demo-merchant")),)
PAGE = 30  # what both stores have
BATCH = 1_000  # subscriptions that are put in at a time
EVERY = 20  # of so many reads each has a subscription of its own
ALLOWED = 1.5
MADRID = ZoneInfo("Europe/Madrid")
GIVEN = ("Ana", "Luis", "Carmen", "Javier", "Lucía", "Pablo", "Elena", "Marcos", "Inés", "Hugo")
SURNAMES = ("García", "Pérez", "López", "Núñez", "Serra", "Vidal", "Ortega", "Ibáñez", "Soler")
STATUSES = ("draft", "sent", "activating", "active", "active", "active", "active", "cancelled")
Asks = Callable[[], Any]


def rows(
    subscription: dict[str, Any], items: list[dict[str, Any]], deliveries: int, account_id: int
) -> Iterator[tuple[Table, dict[str, Any]]]:
    """A subscription like another one, of another shopper and another time, with its ledger."""
    id_, status = str(uuid.uuid4()), random.choice(STATUSES)
    began = utc_now() - timedelta(minutes=random.randrange(60, 700 * 24 * 60))
    person = {
        "given_names": random.choice(GIVEN),
        "surnames": " ".join(random.sample(SURNAMES, 2)),
        "mobile_phone": f"6{random.randrange(10**8):08}",
        "reference": f"full-{id_}",
    }
    is_confirmed = status in ("activating", "active", "cancelled")
    activated_at = began if status == "active" else None
    new_ids = {item["id"]: str(uuid.uuid4()) for item in items}
    yield (
        store.subscriptions,
        {
            **subscription,
            **person,
            "id": id_,
            "status": status,
            "payment_status": random.choice(("pending", "paid", "paid", "failed")),
            "contract_number": id_[:12] if is_confirmed else None,
            "cart_id": str(uuid.uuid4()),
            "cart_code": new_code(),
            "created_at": began - timedelta(minutes=30),
            "confirmed_at": began if is_confirmed else None,
            "activated_at": activated_at,
            "renewal_at": activated_at and activated_at + relativedelta(months=24),
        },
    )
    for word in words(person):
        row = {
            "merchant_id": subscription["merchant_id"],
            "word": word,
            "subscription_id": id_,
        }
        yield store.subscription_words, row
    for item in items:
        yield (
            store.cart_items,
            {
                **item,
                "id": new_ids[item["id"]],
                "reference_uuid": str(uuid.uuid4()),
                "subscription_id": id_,
                "parent_id": new_ids.get(item["parent_id"]),
                "activated_at": activated_at,
            },
        )
    lenses = itertools.cycle(item for item in items if item["eye"])
    counted: dict[tuple[str, int], list[datetime]] = {}
    for lens, number in zip(lenses, range(deliveries), strict=False):
        at = began + (utc_now() - began) * number / deliveries
        year = year_of(activated_at, at, MADRID)
        counted.setdefault((new_ids[lens["id"]], year), []).append(at)
        yield (
            store.box_deliveries,
            {
                "subscription_id": id_,
                "item_id": new_ids[lens["id"]],
                "year": year,
                "quantity": 1,
                "account_id": account_id,
                "request_id": "bench",
                "delivered_at": at,
            },
        )
    for (item_id, year), moments in counted.items():
        yield (
            store.box_counters,
            {
                "item_id": item_id,
                "year": year,
                "box_count": items[-1]["box_count"],
                "delivered": len(moments),
                "carried": 0,
                "last_delivered_at": max(moments),
            },
        )


def fill(url: str, pattern: str, subscriptions: int, deliveries: int) -> list[str]:
    """Put in subscriptions like one that is there; gives the ids of some."""
    engine, sample = create_engine(url, **JSON), list[str]()
    with engine.begin() as tx:
        made, items, account_id = _pattern(tx, pattern)
    each = deliveries // subscriptions
    for first in range(0, subscriptions, BATCH):
        tables: dict[Table, list[dict[str, Any]]] = {}
        for _ in range(min(BATCH, subscriptions - first)):
            for table, row in rows(made, items, each, account_id):
                tables.setdefault(table, []).append(row)
        with engine.begin() as tx:
            for table, batch in tables.items():
                tx.execute(insert(table), batch)
        sample += [row["id"] for row in tables[store.subscriptions][:EVERY]]
    with engine.begin() as tx:
        totals = update(store.subscription_totals)
        tx.execute(totals.values(total=store.subscription_totals.c.total + subscriptions))
    # What the engine does by itself in the life of a store.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
        tx.execute(text("ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE"))
    engine.dispose()
    return random.sample(sample, min(200, len(sample)))


def _pattern(tx: Connection, id_: str) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    table, parts = store.subscriptions, store.cart_items
    made = tx.execute(select(table).where(table.c.id == id_)).one()
    items = tx.execute(
        select(parts).where(parts.c.subscription_id == id_).order_by(parts.c.position)
    )
    accounts = store.accounts.table
    account = select(accounts.c.id).where(accounts.c.name == "demo-merchant")
    return (
        dict(made._mapping),
        [dict(item._mapping) for item in items],
        tx.execute(account).scalar_one(),
    )


class Side:
    """One service with its store, and what is asked of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.running = SERVICE.start(database, "127.0.0.1:0", "http://127.0.0.1:8080")
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.running.port}")
        self.stub = SubscriptionServiceStub(self.channel)
        address = ("127.0.0.1", self.running.port)
        self.made = [confirmed(address, BIG) for _ in range(PAGE)]
        self.ids = [id_ for id_, _ in self.made]

    def asks(self) -> dict[str, Asks]:
        """Each call, by name."""
        some, deliveries = itertools.cycle(self.ids), itertools.cycle(self.made)

        def get() -> Any:
            return self.ask(
                "GetSubscription", pb.GetSubscriptionRequest(subscription_id=next(some))
            )

        def deliver() -> Any:
            id_, (left, right) = next(deliveries)
            return self.ask("CreateBoxDeliveries", delivery(id_, {left: 1, right: 1}))

        def listed(**filters: Any) -> Asks:
            request = pb.ListSubscriptionsRequest(**filters)
            return lambda: self.ask("ListSubscriptions", request)

        return {
            "GET": get,
            "box_deliveries": deliver,
            "list": listed(),
            "list, second page": listed(page=2, per_page=PAGE // 2),
            "list, status": listed(status="activating"),
            "list, this month": listed(created_at="current_month"),
            "list, store": listed(store_ref="tienda_moderna"),
            "list, search": listed(search="john doe"),
        }

    def ask(self, rpc: str, request: Any) -> Any:
        return getattr(self.stub, rpc)(request, timeout=30, metadata=CALLER)

    def stop(self) -> None:
        self.channel.close()
        self.running.stop(0)


def milliseconds(work: Asks) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def compare(empty: Side, full: Side, calls: int) -> dict[str, tuple[float, float]]:
    """The median of each call on both sides, asked in turn."""
    taken: dict[str, tuple[float, float]] = {}
    few, many = empty.asks(), full.asks()
    for what in few:
        for work in (few[what], many[what]):
            for _ in range(10):
                work()
        pairs = [(milliseconds(few[what]), milliseconds(many[what])) for _ in range(calls)]
        taken[what] = (median(one for one, _ in pairs), median(other for _, other in pairs))
    return taken


@click.command("subscriptions-scale", help="Subscriptions in an empty and in a full store.")
@ENGINE
@click.option("--subscriptions", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--deliveries", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--calls", type=click.IntRange(3), default=200, show_default=True, help="Of each.")
def subscriptions_scale(engine: str, subscriptions: int, deliveries: int, calls: int) -> None:
    # A line for each call would be most of what there is to read, and some of what is measured.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with (
        tempfile.TemporaryDirectory(prefix="optigate-bench-") as name,
        stores(engine, Path(name)) as make_store,
    ):
        click.echo(machine(Path(name)))
        urls = [make_store("subscriptions") for _ in range(2)]
        for url in urls:
            prepare("subscriptions", url)
        empty, full = (Side(Database(url)) for url in urls)
        try:
            start = time.perf_counter()
            full.ids += fill(urls[1], full.ids[0], subscriptions, deliveries)
            took = time.perf_counter() - start
            click.echo(f"{subscriptions} subscriptions, {deliveries} deliveries in {took:.0f} s")
            click.echo(f"{'ms, median':20} {'empty':>8} {'full':>8} {'ratio':>6}")
            slow = []
            for what, (few, many) in compare(empty, full, calls).items():
                click.echo(f"{what:20} {few:8.2f} {many:8.2f} {many / few:6.2f}")
                if many / few > ALLOWED:
                    slow.append(what)
        finally:
            empty.stop()
            full.stop()
    if slow:
        click.echo(f"More than {ALLOWED} times as slow: {', '.join(slow)}.")


COMMANDS = [subscriptions_scale]

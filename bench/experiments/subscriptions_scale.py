"""`python -m bench subscriptions-scale`: the subscriptions service with an empty and a full store.

The empty one has a page of subscriptions, the full one a hundred thousand more with their ledger.
Calls go to both in turn, over gRPC, one at a time: medians in milliseconds, and their ratio.
"""

import itertools
import random
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import click
import grpc
from dateutil.relativedelta import relativedelta
from sqlalchemy import Connection, Table, create_engine, insert, select, text, update

from bench.experiments.options import ENGINE, open_fresh_stores
from bench.experiments.service_code import (
    SUBSCRIPTION_ACCOUNTS,
    SUBSCRIPTION_TABLES,
    SUBSCRIPTIONS,
    compute_year,
    find_words,
)
from bench.report.measure import time_call
from bench.scenarios.subscriptions import (
    HUGE_CAP_BOXES,
    MERCHANT,
    build_deliveries,
    call_options,
    confirm_subscription,
)
from chassis.store.database import JSON_OPTIONS, Database
from protos import subscriptions_pb2 as pb
from protos.subscriptions_pb2_grpc import SubscriptionServiceStub

PAGE_SIZE = 30  # subscriptions that both stores have
BATCH_SIZE = 1_000  # subscriptions inserted at a time
READ_PER_BATCH, MAX_READ = 20, 200  # subscriptions that reads ask for
WARM_UP_CALLS = 10
MAX_RATIO = 1.5
MADRID = ZoneInfo("Europe/Madrid")
GIVEN_NAMES = (
    "Ana", "Luis", "Carmen", "Javier", "Lucía", "Pablo", "Elena", "Marcos", "Inés", "Hugo",
)  # fmt: skip
SURNAMES = ("García", "Pérez", "López", "Núñez", "Serra", "Vidal", "Ortega", "Ibáñez", "Soler")
STATUSES = ("draft", "sent", "activating", "active", "active", "active", "active", "cancelled")
Call = Callable[[], Any]


def generate_rows(
    subscription: dict[str, Any], items: list[dict[str, Any]], deliveries: int, account_id: int
) -> Iterator[tuple[Table, dict[str, Any]]]:
    """Yield the rows of a subscription like another one, at another time, with its ledger."""
    new = _vary_subscription(subscription)
    yield SUBSCRIPTION_TABLES["subscriptions"], new
    for word in find_words(new):
        row = {"merchant_id": new["merchant_id"], "word": word, "subscription_id": new["id"]}
        yield SUBSCRIPTION_TABLES["subscription_words"], row
    new_ids = {item["id"]: str(uuid.uuid4()) for item in items}
    for item in items:
        yield (
            SUBSCRIPTION_TABLES["cart_items"],
            {
                **item,
                "id": new_ids[item["id"]],
                "reference_uuid": str(uuid.uuid4()),
                "subscription_id": new["id"],
                "parent_id": new_ids.get(item["parent_id"]),
                "activated_at": new["activated_at"],
            },
        )
    lenses = [new_ids[item["id"]] for item in items if item["eye"]]
    yield from _generate_ledger(new, lenses, items[-1]["box_count"], deliveries, account_id)


def _vary_subscription(subscription: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a subscription of another shopper, at another time."""
    id_, status = str(uuid.uuid4()), random.choice(STATUSES)
    began = datetime.now(UTC) - timedelta(minutes=random.randrange(60, 700 * 24 * 60))
    is_confirmed = status in ("activating", "active", "cancelled")
    activated_at = began if status == "active" else None
    return {
        **subscription,
        "given_names": random.choice(GIVEN_NAMES),
        "surnames": " ".join(random.sample(SURNAMES, 2)),
        "mobile_phone": f"6{random.randrange(10**8):08}",
        "reference": f"full-{id_}",
        "id": id_,
        "status": status,
        "payment_status": random.choice(("pending", "paid", "paid", "failed")),
        "contract_number": id_[:12] if is_confirmed else None,
        "cart_id": str(uuid.uuid4()),
        "cart_code": secrets.token_urlsafe(20),
        "created_at": began - timedelta(minutes=30),
        "confirmed_at": began if is_confirmed else None,
        "activated_at": activated_at,
        "renewal_at": activated_at and activated_at + relativedelta(months=24),
    }


def _generate_ledger(
    subscription: dict[str, Any],
    lenses: list[str],
    box_count: int,
    deliveries: int,
    account_id: int,
) -> Iterator[tuple[Table, dict[str, Any]]]:
    """Yield deliveries spread evenly until now, and the counters that agree with them."""
    now, activated_at = datetime.now(UTC), subscription["activated_at"]
    began = subscription["created_at"] + timedelta(minutes=30)
    counted: dict[tuple[str, int], list[datetime]] = {}
    for lens, number in zip(itertools.cycle(lenses), range(deliveries), strict=False):
        delivered_at = began + (now - began) * number / deliveries
        year = compute_year(activated_at, delivered_at, MADRID)
        counted.setdefault((lens, year), []).append(delivered_at)
        yield (
            SUBSCRIPTION_TABLES["box_deliveries"],
            {
                "subscription_id": subscription["id"],
                "item_id": lens,
                "year": year,
                "quantity": 1,
                "account_id": account_id,
                "request_id": "bench",
                "delivered_at": delivered_at,
            },
        )
    for (lens, year), moments in counted.items():
        yield (
            SUBSCRIPTION_TABLES["box_counters"],
            {
                "item_id": lens,
                "year": year,
                "box_count": box_count,
                "delivered": len(moments),
                "carried": 0,
                "last_delivered_at": max(moments),
            },
        )


def fill_store(url: str, pattern: str, subscriptions: int, deliveries: int) -> list[str]:
    """Insert subscriptions like one that is there; return the ids of some."""
    engine, some = create_engine(url, **JSON_OPTIONS), list[str]()
    with engine.begin() as tx:
        subscription, items, account_id = _read_pattern(tx, pattern)
    each = deliveries // subscriptions
    for first in range(0, subscriptions, BATCH_SIZE):
        batches: dict[Table, list[dict[str, Any]]] = {}
        for _ in range(min(BATCH_SIZE, subscriptions - first)):
            for table, row in generate_rows(subscription, items, each, account_id):
                batches.setdefault(table, []).append(row)
        with engine.begin() as tx:
            for table, batch in batches.items():
                tx.execute(insert(table), batch)
        inserted = batches[SUBSCRIPTION_TABLES["subscriptions"]]
        some += [row["id"] for row in inserted[:READ_PER_BATCH]]
    totals = SUBSCRIPTION_TABLES["subscription_totals"]
    with engine.begin() as tx:
        tx.execute(update(totals).values(total=totals.c.total + subscriptions))
    # What the engine does by itself in the life of a store.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
        tx.execute(text("ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE"))
    engine.dispose()
    return random.sample(some, min(MAX_READ, len(some)))


def _read_pattern(tx: Connection, id_: str) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    """Return the rows of a subscription and its items, and the id of its account."""
    table, items = SUBSCRIPTION_TABLES["subscriptions"], SUBSCRIPTION_TABLES["cart_items"]
    accounts = SUBSCRIPTION_ACCOUNTS
    subscription = tx.execute(select(table).where(table.c.id == id_)).one()
    of_cart = select(items).where(items.c.subscription_id == id_).order_by(items.c.position)
    account = select(accounts.c.id).where(accounts.c.name == MERCHANT.name)
    return (
        dict(subscription._mapping),
        [dict(item._mapping) for item in tx.execute(of_cart)],
        tx.execute(account).scalar_one(),
    )


class Side:
    """One service with its store, and the calls to it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.running = SUBSCRIPTIONS.start(database, "127.0.0.1:0", "http://127.0.0.1:8080")
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.running.port}")
        self.stub = SubscriptionServiceStub(self.channel)
        address = ("127.0.0.1", self.running.port)
        self.confirmed = [confirm_subscription(address, HUGE_CAP_BOXES) for _ in range(PAGE_SIZE)]
        self.ids = [id_ for id_, _ in self.confirmed]

    def build_calls(self) -> dict[str, Call]:
        """Return each call, by name."""
        ids, deliveries = itertools.cycle(self.ids), itertools.cycle(self.confirmed)

        def get() -> Any:
            request = pb.GetSubscriptionRequest(subscription_id=next(ids))
            return self.call("GetSubscription", request)

        def deliver() -> Any:
            id_, (left, right) = next(deliveries)
            return self.call("CreateBoxDeliveries", build_deliveries(id_, {left: 1, right: 1}))

        def list_by(**filters: Any) -> Call:
            request = pb.ListSubscriptionsRequest(**filters)
            return lambda: self.call("ListSubscriptions", request)

        return {
            "GET": get,
            "box_deliveries": deliver,
            "list": list_by(),
            "list, second page": list_by(page=2, per_page=PAGE_SIZE // 2),
            "list, status": list_by(status="activating"),
            "list, this month": list_by(created_at="current_month"),
            "list, store": list_by(store_ref="tienda_moderna"),
            "list, search": list_by(search="john doe"),
        }

    def call(self, rpc: str, request: Any) -> Any:
        """Call an RPC as the merchant."""
        return getattr(self.stub, rpc)(request, **call_options(MERCHANT) | {"timeout": 30})

    def stop(self) -> None:
        """Stop the service."""
        self.channel.close()
        self.running.stop(0)


def compare_sides(empty: Side, full: Side, calls: int) -> dict[str, tuple[float, float]]:
    """Return the median of each call on both sides, asked in turn."""
    taken: dict[str, tuple[float, float]] = {}
    on_empty, on_full = empty.build_calls(), full.build_calls()
    for what in on_empty:
        for call in (on_empty[what], on_full[what]):
            for _ in range(WARM_UP_CALLS):
                call()
        pairs = [(time_call(on_empty[what]), time_call(on_full[what])) for _ in range(calls)]
        taken[what] = (median(one for one, _ in pairs), median(other for _, other in pairs))
    return taken


@click.command("subscriptions-scale", help="Subscriptions in an empty and in a full store.")
@ENGINE
@click.option("--subscriptions", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--deliveries", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option(
    "--calls",
    type=click.IntRange(3),
    default=200,
    show_default=True,
    help="Number of calls of each kind.",
)
def subscriptions_scale(engine: str, subscriptions: int, deliveries: int, calls: int) -> None:
    with open_fresh_stores(engine) as make_store:
        urls = [make_store.service_store("subscriptions") for _ in range(2)]
        empty, full = (Side(Database(url)) for url in urls)
        try:
            start = time.perf_counter()
            full.ids += fill_store(urls[1], full.ids[0], subscriptions, deliveries)
            took = time.perf_counter() - start
            click.echo(f"{subscriptions} subscriptions, {deliveries} deliveries in {took:.0f} s")
            click.echo(f"{'ms, median':20} {'empty':>8} {'full':>8} {'ratio':>6}")
            slow = []
            for what, (few, many) in compare_sides(empty, full, calls).items():
                click.echo(f"{what:20} {few:8.2f} {many:8.2f} {many / few:6.2f}")
                if many / few > MAX_RATIO:
                    slow.append(what)
        finally:
            empty.stop()
            full.stop()
    if slow:
        click.echo(f"More than {MAX_RATIO} times as slow: {', '.join(slow)}.")


COMMANDS = [subscriptions_scale]

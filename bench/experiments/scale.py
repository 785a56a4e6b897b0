"""How cost grows: `ramp` finds the knee, `sizes` fills the stores, `soak` watches the memory."""

import tempfile
from pathlib import Path

import click
from sqlalchemy import create_engine, text

from bench.experiments import contenders
from bench.experiments.contenders import Contender, running, stores, subscription_of
from bench.experiments.single import ENGINE, finish, http_of, memory, optigate, own, tell
from bench.report.measure import machine, sample
from bench.report.processes import resident
from bench.scenarios import works

KNEE = 250.0  # ms of p99
PRODUCTS = {
    "optigate": contenders.optigate,
    "fastapi": contenders.fastapi,
    "smorest": contenders.smorest,
}
ROWS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, :count))",
}
RANDOM = {"sqlite": "lower(hex(randomblob(12)))", "postgresql": "substr(md5(random()::text),1,24)"}
EARLIER = {
    "sqlite": "datetime('now', '-' || i || ' seconds')",
    "postgresql": "now() - i * interval '1 second'",
}


@click.command(help="Raise the rate of POST /v1/orders until p99 passes 250 ms or errors come.")
@ENGINE
@click.option("--contender", type=click.Choice(list(PRODUCTS)), default="optigate")
@click.option("--start", type=float, default=100.0, show_default=True, help="Requests/s.")
@click.option("--factor", type=click.FloatRange(1.01), default=1.25, show_default=True)
@click.option("--seconds", type=float, default=5.0, show_default=True, help="Of a step.")
@click.option("--connections", type=int, default=32, show_default=True)
@click.option("--steps", type=int, default=20, show_default=True, help="At most.")
def ramp(
    engine: str,
    contender: str,
    start: float,
    factor: float,
    seconds: float,
    connections: int,
    steps: int,
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="optigate-bench-") as name,
        stores(engine, Path(name)) as make_store,
    ):
        click.echo(machine(Path(name)))
        made = PRODUCTS[contender](make_store)
        with running(made, Path(name)) as roots:
            work = works.create_orders(http_of(made))
            every = {**roots, **make_store.processes}
            sample(work, every, connections=connections, seconds=1)
            rate, knee = start, 0.0
            for _ in range(steps):
                taken = sample(work, every, connections=connections, seconds=seconds, rate=rate)
                click.echo(f"{rate:.0f}/s")
                tell(taken)
                if taken.errors or taken.latencies["p99"] > KNEE:
                    break
                rate, knee = rate * factor, rate
            click.echo(f"The knee of {contender} on {engine}: {knee:.0f} requests/s.")
            broken = work.broken()
    finish(broken)


@click.command(help="The same requests on stores of 1e3, 1e5 and 1e6 orders and deliveries.")
@ENGINE
@click.option("--rows", type=int, multiple=True, default=(1_000, 100_000, 1_000_000))
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of a measurement.")
@click.option("--connections", type=int, default=32, show_default=True)
def sizes(engine: str, rows: tuple[int, ...], seconds: float, connections: int) -> None:
    with optigate(engine) as (contender, roots):
        address = http_of(contender)
        delivering = works.Delivering(address, contender.grpc["subscriptions"])
        every = {
            "POST /v1/orders": works.create_orders(address),
            "POST box_deliveries": delivering,
            "GET subscription": works.read_subscription(address, subscription_of(contender)),
            "GET order": works.read_order(address),
        }
        have, broken = 0, []
        for count in sorted(rows):
            if count > have:
                fill(contender, delivering.kept[1][1], count - have)
            have = count
            click.echo(f"{count} orders, {count} deliveries")
            for title, work in every.items():
                click.echo(f" {title}")
                taken = sample(work, roots, connections=connections, seconds=seconds)
                tell(taken)
                broken += [f"{title}: {error}" for error in taken.errors]
        broken += [fault for work in every.values() for fault in work.broken()]
    finish(broken)


def fill(of: Contender, subscription: str, count: int) -> None:
    """Put orders, and deliveries of one subscription, straight into the stores."""
    numbers, earlier = ROWS[of.engine], EARLIER[of.engine]
    orders = f"""
        INSERT INTO orders (id, account_id, user_id, lab_id, account_number, lab_status,
                            document, created_at, updated_at)
        {numbers}
        SELECT 'ord_' || {RANDOM[of.engine]}, account_id, user_id, lab_id, account_number,
               lab_status, document, {earlier}, {earlier}
        FROM n, (SELECT * FROM orders LIMIT 1) AS pattern"""
    deliveries = f"""
        INSERT INTO box_deliveries (subscription_id, item_id, year, quantity, account_id,
                                    request_id, delivered_at)
        {numbers}
        SELECT subscription_id, cart_items.id, 1, 1, accounts.id, 'bench', {earlier}
        FROM n, cart_items, accounts
        WHERE subscription_id = :of AND eye = 'left' AND accounts.name = 'demo-merchant'"""
    _execute(of.urls["orders"], orders, count=count)
    _execute(of.urls["subscriptions"], deliveries, count=count, of=subscription)


def _execute(url: str, statement: str, **values: object) -> None:
    engine = create_engine(url)
    with engine.begin() as tx:
        tx.execute(text(statement), values)
        tx.execute(text("ANALYZE"))
    engine.dispose()


@click.command(help="Many POST /v1/orders; the memory before, meanwhile and after.")
@ENGINE
@click.option("--requests", type=int, default=200_000, show_default=True)
@click.option("--seconds", type=float, default=900.0, show_default=True, help="At most.")
@click.option("--connections", type=int, default=32, show_default=True)
def soak(engine: str, requests: int, seconds: float, connections: int) -> None:
    with optigate(engine) as (contender, roots):
        work = works.create_orders(http_of(contender))
        left, done, part = seconds, 0, max(requests // 10, 1)
        broken: list[str] = []
        sizes = [resident(roots)]
        click.echo(f"{done:8} requests: {memory(sizes[-1])}")
        while done < requests and left > 0:
            taken = sample(
                work, roots, connections=connections, seconds=left, warmup=0, requests=part
            )
            broken += [f"{count} x {what}" for what, count in taken.errors.items()]
            done += part
            left -= part / max(taken.throughput, 1)
            sizes.append(resident(roots))
            click.echo(f"{done:8} requests: {memory(sizes[-1])}; {taken.throughput:.0f}/s")
        grown = own(sizes[-1]) - own(sizes[len(sizes) // 5])
        click.echo(f"Growth after the first fifth: {grown:+.1f} MB.")
        broken += work.broken()
    finish(broken)


COMMANDS = [ramp, sizes, soak]

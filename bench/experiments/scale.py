"""How cost grows: `ramp` finds the knee, `sizes` fills the stores, `soak` watches the memory."""

import click
from sqlalchemy import create_engine, text

from bench.experiments.contenders import OPTIGATE, PRODUCTS, find_subscription
from bench.experiments.launcher import Contender, run_contender
from bench.experiments.options import (
    CONNECTIONS,
    ENGINE,
    exit_with_faults,
    format_memory,
    list_errors,
    open_fresh_stores,
    print_sample,
    run_optigate,
    sum_megabytes,
)
from bench.report.measure import take_sample
from bench.report.processes import read_memory
from bench.scenarios.orders import create_orders, read_order
from bench.scenarios.subscriptions import DeliverOverHttp, read_subscription

KNEE_MS = 250.0  # of p99
ROWS_SQL = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, :count))",
}
RANDOM_ID_SQL = {
    "sqlite": "lower(hex(randomblob(12)))",
    "postgresql": "substr(md5(random()::text),1,24)",
}
EARLIER_SQL = {
    "sqlite": "datetime('now', '-' || i || ' seconds')",
    "postgresql": "now() - i * interval '1 second'",
}


@click.command(help="Raise the rate of POST /v1/orders until p99 passes 250 ms or errors come.")
@ENGINE
@click.option("--contender", type=click.Choice(list(PRODUCTS)), default=OPTIGATE)
@click.option("--start", type=float, default=100.0, show_default=True, help="Requests/s.")
@click.option("--factor", type=click.FloatRange(1.01), default=1.25, show_default=True)
@click.option("--seconds", type=float, default=5.0, show_default=True, help="Duration of a step.")
@CONNECTIONS
@click.option("--steps", type=int, default=20, show_default=True, help="Stop after so many steps.")
def ramp(
    engine: str,
    contender: str,
    start: float,
    factor: float,
    seconds: float,
    connections: int,
    steps: int,
) -> None:
    with open_fresh_stores(engine) as make_store:
        product = PRODUCTS[contender](make_store)
        with run_contender(product, make_store.folder) as own_roots:
            scenario = create_orders(product.http_address)
            roots = {**own_roots, **make_store.processes}
            take_sample(scenario, roots, connections=connections, seconds=min(seconds, 1))
            rate, knee = start, 0.0
            for _ in range(steps):
                sample = take_sample(
                    scenario, roots, connections=connections, seconds=seconds, rate=rate
                )
                click.echo(f"{rate:.0f}/s")
                print_sample(sample)
                if sample.errors or sample.latencies["p99"] > KNEE_MS:
                    break
                rate, knee = rate * factor, rate
            click.echo(f"The knee of {contender} on {engine}: {knee:.0f} requests/s.")
            faults = scenario.list_broken_promises()
    exit_with_faults(faults)


@click.command(help="The same requests on stores of 1e3, 1e5 and 1e6 orders and deliveries.")
@ENGINE
@click.option("--rows", type=int, multiple=True, default=(1_000, 100_000, 1_000_000))
@click.option(
    "--seconds", type=float, default=4.0, show_default=True, help="Duration of a measurement."
)
@CONNECTIONS
def sizes(engine: str, rows: tuple[int, ...], seconds: float, connections: int) -> None:
    with run_optigate(engine, ("orders", "subscriptions")) as (contender, roots):
        address = contender.http_address
        deliver = DeliverOverHttp(address, contender.grpc["subscriptions"])
        scenarios = {
            "POST /v1/orders": create_orders(address),
            "POST box_deliveries": deliver,
            "GET subscription": read_subscription(address, find_subscription(contender)),
            "GET order": read_order(address),
        }
        present, faults = 0, []
        for count in sorted(rows):
            if count > present:
                fill_stores(contender, deliver.subscriptions[1][1], count - present)
            present = count
            click.echo(f"{count} orders, {count} deliveries")
            for title, scenario in scenarios.items():
                click.echo(f" {title}")
                sample = take_sample(scenario, roots, connections=connections, seconds=seconds)
                print_sample(sample)
                faults += [f"{title}: {error}" for error in list_errors(sample)]
        faults += [fault for each in scenarios.values() for fault in each.list_broken_promises()]
    exit_with_faults(faults)


def fill_stores(contender: Contender, subscription_id: str, count: int) -> None:
    """Put orders, and deliveries of one subscription, straight into the stores."""
    numbers, earlier = ROWS_SQL[contender.engine], EARLIER_SQL[contender.engine]
    random_id = RANDOM_ID_SQL[contender.engine]
    orders = f"""
        INSERT INTO orders (id, account_id, user_id, lab_id, account_number, lab_status,
                            document, created_at, updated_at)
        {numbers}
        SELECT 'ord_' || {random_id}, account_id, user_id, lab_id, account_number,
               lab_status, document, {earlier}, {earlier}
        FROM n, (SELECT * FROM orders LIMIT 1) AS pattern"""
    deliveries = f"""
        INSERT INTO box_deliveries (subscription_id, item_id, year, quantity, account_id,
                                    request_id, delivered_at)
        {numbers}
        SELECT subscription_id, cart_items.id, 1, 1, accounts.id, 'bench', {earlier}
        FROM n, cart_items, accounts
        WHERE subscription_id = :subscription_id AND eye = 'left'
          AND accounts.name = 'demo-merchant'"""
    _execute(contender.urls["orders"], orders, count=count)
    _execute(
        contender.urls["subscriptions"], deliveries, count=count, subscription_id=subscription_id
    )


def _execute(url: str, statement: str, **values: object) -> None:
    engine = create_engine(url)
    with engine.begin() as tx:
        tx.execute(text(statement), values)
        tx.execute(text("ANALYZE"))
    engine.dispose()


@click.command(help="Many POST /v1/orders; memory before, during and after.")
@ENGINE
@click.option("--requests", type=int, default=200_000, show_default=True)
@click.option(
    "--seconds",
    type=float,
    default=900.0,
    show_default=True,
    help="Stop after so long, whatever was sent.",
)
@CONNECTIONS
def soak(engine: str, requests: int, seconds: float, connections: int) -> None:
    with run_optigate(engine) as (contender, roots):
        scenario = create_orders(contender.http_address)
        left, done, part = seconds, 0, max(requests // 10, 1)
        faults: list[str] = []
        memory = [read_memory(roots)]
        click.echo(f"{done:8} requests: {format_memory(memory[-1])}")
        while done < requests and left > 0:
            sample = take_sample(
                scenario, roots, connections=connections, seconds=left, warmup=0, requests=part
            )
            faults += list_errors(sample)
            done += part
            left -= part / max(sample.throughput, 1)
            memory.append(read_memory(roots))
            figures = f"{format_memory(memory[-1])}; {sample.throughput:.0f}/s"
            click.echo(f"{done:8} requests: {figures}")
        growth = sum_megabytes(memory[-1]) - sum_megabytes(memory[len(memory) // 5])
        click.echo(f"Growth after the first fifth: {growth:+.1f} MB.")
        faults += scenario.list_broken_promises()
    exit_with_faults(faults)


COMMANDS = [ramp, sizes, soak]

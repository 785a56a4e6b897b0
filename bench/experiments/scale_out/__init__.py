"""`python -m bench scale-out`: 1, 2 and 4 processes of each service, and what must hold meanwhile.

PostgreSQL is behind PgBouncer in transaction mode. The processes of a service are addresses of one
name, which two gateways look up at a name server of ours; a replica is killed and one is added
under load at the last step. On one machine more processes add no throughput once its cores are
busy: what is measured is the CPU time of a request. It grows where every process delivers events;
with `--dispatchers 1` one of each service does, and the rest of the growth remains.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import click

from bench.experiments.contenders import SERVICES
from bench.experiments.options import exit_with_faults, list_errors, open_fresh_stores
from bench.experiments.scale_out.bouncer import run_pgbouncer
from bench.experiments.scale_out.cluster import Cluster
from bench.experiments.scale_out.names import run_name_server
from bench.experiments.scale_out.promises import (
    Shop,
    check_cursors,
    check_events,
    check_keys,
    keep_busy,
)
from bench.load.http1 import HttpConnection
from bench.load.sockets import Address, Connection
from bench.report.measure import Sample, take_sample
from bench.scenarios.orders import create_orders
from bench.scenarios.scenario import CreateOverHttp
from bench.scenarios.subscriptions import DeliverOverHttp
from chassis.store.database import Database
from tests.chassis.events.receiver import Receiver, run_receiver

OWNER = "demo-client"
SECRET = "whsec_" + "c2NhbGUtb3V0LXNjYWxlLW91dC0wMQ=="
FIND_SECONDS = 60  # for the gateways to find a replica that was added
MAX_REPLICAS = 50
CREATED = b"OrderService/CreateOrder"  # in the log of a process that had such a call


class SpreadOrders(CreateOverHttp):
    """POST /v1/orders at several gateways, by connections opened in turn."""

    def __init__(self, gateways: Sequence[Address]) -> None:
        super().__init__(gateways[0], create_orders(gateways[0]).requests)
        self.gateways, self._opened = gateways, 0

    def connect(self) -> Connection:
        """Open a connection to the next gateway."""
        self._opened += 1
        return HttpConnection(self.gateways[self._opened % len(self.gateways)])


@click.command(help="1, 2 and 4 processes of each service behind two gateways and PgBouncer.")
@click.option("--replicas", type=click.IntRange(1, MAX_REPLICAS), multiple=True, default=(1, 2, 4))
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Load of each step.")
@click.option("--connections", type=int, default=16, show_default=True)
@click.option("--orders", type=int, default=60, show_default=True, help="For each promise.")
@click.option(
    "--dispatchers",
    type=click.IntRange(1),
    default=MAX_REPLICAS + 1,
    help="Processes of each service that deliver events; all by default.",
)
def scale_out(
    replicas: tuple[int, ...], seconds: float, connections: int, orders: int, dispatchers: int
) -> None:
    faults: list[str] = []
    with ExitStack() as stack:
        stores = stack.enter_context(open_fresh_stores("postgresql"))
        names = stack.enter_context(run_name_server())
        folder, bouncer = stack.enter_context(run_pgbouncer(stores.server))
        receiver = stack.enter_context(run_receiver())
        cluster = Cluster(stores, folder, names, dispatchers)
        _add_endpoint(cluster.urls["orders"], receiver.url)
        shared = {**stores.processes, "pgbouncer": bouncer}
        for count in replicas:
            with cluster.run(count) as (gateways, roots):
                sample, broken = _load(cluster, gateways, roots | shared, seconds, connections)
                _print_step(count, sample)
                broken += _check(cluster, gateways, receiver, count, orders)
                if count == replicas[-1]:
                    broken += _replace(cluster, gateways, roots, count)
            click.echo(f"  promises: {'; '.join(broken) or 'kept'}")
            faults += broken
    exit_with_faults(faults)


def _add_endpoint(url: str, target: str) -> None:
    """Have the events of the demo's client delivered to `target`."""
    outbox = import_module("orders_svc.definition").SERVICE.outbox
    database = Database(url)
    endpoint: dict[str, Any] = {
        "url": target,
        "headers": {},
        "secret": SECRET,
        "events": None,
        "format": None,
    }
    with database.write() as tx:
        outbox.endpoints.put(tx, OWNER, endpoint, datetime.now(UTC))
    database.close()


def _load(
    cluster: Cluster,
    gateways: Sequence[Address],
    roots: Mapping[str, int],
    seconds: float,
    connections: int,
) -> tuple[Sample, list[str]]:
    """Load orders and boxes; return the sample of the orders, and the broken promises of both."""
    creating = SpreadOrders(gateways)
    sample = take_sample(creating, roots, connections=connections, seconds=seconds)
    delivering = DeliverOverHttp(gateways[-1], cluster.find_address("subscriptions", 1))
    boxes = take_sample(delivering, roots, connections=connections, seconds=seconds / 2)
    faults = creating.list_broken_promises() + delivering.list_broken_promises()
    return sample, faults + list_errors(sample) + list_errors(boxes)


def _print_step(count: int, sample: Sample) -> None:
    """Print the CPU time of a request by kind of process."""
    kinds = [*SERVICES, "gateway", "pgbouncer", "postgres"]
    spent = {
        kind: sum(us for name, us in sample.cpu.items() if name.split()[0] == kind)
        for kind in kinds
    }
    cpu = ", ".join(f"{kind} {us:.0f}" for kind, us in spent.items() if us >= 1)
    click.echo(f"{count} of each: {sample.throughput:.0f} orders/s")
    click.echo(f"  CPU us an order: {sum(spent.values()):.0f} ({cpu})")


def _check(
    cluster: Cluster,
    gateways: Sequence[Address],
    receiver: Receiver,
    count: int,
    orders: int,
) -> list[str]:
    """Return the broken promises of keys, cursors and events, and the failed requests."""
    shop = Shop(gateways)
    services = [cluster.find_address("orders", number) for number in range(1, count + 1)]
    faults = check_keys(shop, orders // 4) + check_cursors(shop, orders)
    faults += check_events(shop, services, receiver, orders)
    return faults + [f"{number} x {what}" for what, number in shop.failures.items()]


def _replace(
    cluster: Cluster, gateways: Sequence[Address], roots: Mapping[str, int], count: int
) -> list[str]:
    """Kill a process of orders and add one, under load; return the failed requests."""
    shop, added = Shop(gateways), count + 1
    with ExitStack() as stack, keep_busy(shop) as count_made:
        if count == 1:  # none is left: the other one comes first
            log = stack.enter_context(cluster.run_another("orders", added))
            os.killpg(roots["orders 1"], signal.SIGKILL)
        else:
            os.killpg(roots["orders 1"], signal.SIGKILL)
            log = stack.enter_context(cluster.run_another("orders", added))
        cluster.announce("orders", *range(2, added + 1))
        began = time.monotonic()
        while CREATED not in log.read_bytes():
            if time.monotonic() - began > FIND_SECONDS:
                return ["the gateways did not find the process that was added"]
            time.sleep(0.2)
        seconds, made = time.monotonic() - began, count_made()
    failed = sum(shop.failures.values())
    click.echo(
        f"  one process killed, one added: {made} orders, {failed} failed requests;"
        f" the new one had calls after {seconds:.1f} s"
    )
    return [f"{number} x {what}" for what, number in shop.failures.items()]


COMMANDS = [scale_out]

"""`python -m bench orders|sessions|subscriptions`: one service alone, directly over gRPC.

`python -m bench http orders|sessions|subscriptions`: the same through the gateway.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bench.experiments import contenders
from bench.experiments.contenders import SERVICES, Contender, running, stores, subscription_of
from bench.load.generator import Address
from bench.report.measure import Sample, machine, sample
from bench.report.processes import resident
from bench.scenarios import works

Made = Callable[[Contender], works.Asking]
DIRECT: dict[str, Made] = {
    "orders": lambda of: works.grpc_create_orders(of.grpc["orders"]),
    "sessions": lambda of: works.grpc_create_sessions(of.grpc["sessions"]),
    "subscriptions": lambda of: works.DeliveringByGrpc(of.grpc["subscriptions"]),
}
DIRECT_READ: dict[str, Made] = {
    "subscriptions": lambda of: works.grpc_read_subscription(
        of.grpc["subscriptions"], subscription_of(of)
    ),
}


def http_of(of: Contender) -> Address:
    """Where its HTTP is served."""
    assert of.http is not None
    return of.http


HTTP: dict[str, Made] = {
    "orders": lambda of: works.create_orders(http_of(of)),
    "sessions": lambda of: works.create_sessions(http_of(of)),
    "subscriptions": lambda of: works.Delivering(http_of(of), of.grpc["subscriptions"]),
}
HTTP_READ: dict[str, Made] = {
    "orders": lambda of: works.read_order(http_of(of)),
    "subscriptions": lambda of: works.read_subscription(http_of(of), subscription_of(of)),
}
ENGINE = click.option(
    "--engine", type=click.Choice(contenders.ENGINES), default="sqlite", show_default=True
)


@contextmanager
def optigate(engine: str) -> Iterator[tuple[Contender, dict[str, int]]]:
    """Optigate on fresh stores: what it is, and its processes with those of PostgreSQL."""
    with (
        tempfile.TemporaryDirectory(prefix="optigate-bench-") as name,
        stores(engine, Path(name)) as make_store,
    ):
        click.echo(machine(Path(name)))
        contender = contenders.optigate(make_store)
        with running(contender, Path(name)) as roots:
            yield contender, {**roots, **make_store.processes}


def tell(taken: Sample) -> None:
    """Print a measurement."""
    latencies = ", ".join(f"{name} {value:.1f}" for name, value in taken.latencies.items())
    spent = {name: us for name, us in taken.cpu.items() if us >= 1}
    cpu = ", ".join(f"{name} {us:.0f}" for name, us in spent.items())
    click.echo(f"  {taken.throughput:.0f} requests/s; ms: {latencies}")
    click.echo(f"  CPU us a request: {cpu}; this client {taken.client:.0f}")
    if taken.errors:
        click.echo(f"  errors: {dict(taken.errors)}")


def own(rss: dict[str, int]) -> float:
    """Megabytes of our own processes, without those of PostgreSQL."""
    return sum(of for name, of in rss.items() if name != "postgres") / 1e6


def memory(rss: dict[str, int]) -> str:
    """Megabytes by process, and of ours together."""
    each = ", ".join(f"{name} {of / 1e6:.1f}" for name, of in rss.items())
    return f"MB RSS: {own(rss):.1f} ({each})"


def finish(broken: list[str]) -> None:
    """Exit 1 with what was broken, if anything was."""
    for fault in broken:
        click.echo(f"BROKEN: {fault}", err=True)
    sys.exit(1 if broken else 0)


def _measure(
    made: Made, engine: str, rate: float | None, seconds: float, connections: int, closed: bool
) -> None:
    with optigate(engine) as (contender, roots):
        work = made(contender)
        taken = sample(
            work,
            roots,
            connections=connections,
            seconds=seconds,
            rate=None if closed else rate,
        )
        tell(taken)
        click.echo(f"  {memory(resident(roots))}")
        broken = work.broken() + [f"{count} x {what}" for what, count in taken.errors.items()]
    finish(broken)


def _command(name: str, making: dict[str, Made], reading: dict[str, Made], way: str) -> Any:
    @click.command(name, help=f"Load the {name} service {way}.")
    @ENGINE
    @click.option("--rate", type=float, default=200.0, show_default=True, help="Requests/s.")
    @click.option("--seconds", type=float, default=10.0, show_default=True)
    @click.option("--connections", type=int, default=32, show_default=True, help="At once.")
    @click.option("--closed", is_flag=True, help="As fast as it answers, instead of --rate.")
    @click.option("--read", is_flag=True, help="Read one thing, instead of making new ones.")
    def command(read: bool, **options: Any) -> None:
        made = (reading if read else making).get(name)
        if made is None:
            raise click.UsageError(f"There is nothing to read in {name} this way.")
        _measure(made, **options)

    return command


@click.group("http", help="The same through the gateway.")
def through_http() -> None:
    pass


for each in SERVICES:
    through_http.add_command(_command(each, HTTP, HTTP_READ, "through the gateway"))
COMMANDS = [*(_command(each, DIRECT, DIRECT_READ, "by gRPC") for each in SERVICES), through_http]

"""What experiments share: command line options, a running Optigate, and how figures are printed."""

import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from bench.experiments.contenders import ENGINES, SERVICES, Stores, open_stores, optigate
from bench.experiments.launcher import Contender, run_contender
from bench.report.measure import Sample, describe_machine

MEGABYTE = 1e6
ENGINE = click.option("--engine", type=click.Choice(ENGINES), default="sqlite", show_default=True)
CONNECTIONS = click.option(
    "--connections",
    type=int,
    default=32,
    show_default=True,
    help="Number of concurrent connections.",
)


@contextmanager
def open_fresh_stores(engine: str) -> Iterator[Stores]:
    """Yield fresh stores in a temporary folder, after a line on the machine."""
    with (
        tempfile.TemporaryDirectory(prefix="optigate-bench-") as name,
        open_stores(engine, Path(name)) as make_store,
    ):
        click.echo(describe_machine(Path(name)), err=True)
        yield make_store


@contextmanager
def run_optigate(
    engine: str, services: Collection[str] = SERVICES, *, has_gateway: bool = True
) -> Iterator[tuple[Contender, dict[str, int]]]:
    """Yield Optigate, or part of it, on fresh stores, and its processes with PostgreSQL's."""
    with open_fresh_stores(engine) as make_store:
        contender = optigate(make_store, services, has_gateway=has_gateway)
        with run_contender(contender, make_store.folder) as roots:
            yield contender, {**roots, **make_store.processes}


def print_sample(sample: Sample) -> None:
    """Print a measurement; errors always."""
    latencies = ", ".join(f"{name} {value:.1f}" for name, value in sample.latencies.items())
    click.echo(f"  {sample.throughput:.0f} requests/s; ms: {latencies}")
    spent = {name: us for name, us in sample.cpu.items() if us >= 1}
    cpu = ", ".join(f"{name} {us:.0f}" for name, us in spent.items())
    if cpu:
        click.echo(f"  CPU us a request: {cpu}; this client {sample.client:.0f}")
    click.echo(f"  errors: {dict(sample.errors) or 0}")


def sum_megabytes(memory: Mapping[str, int]) -> float:
    """Return the megabytes of our own processes, without those of PostgreSQL."""
    return sum(size for name, size in memory.items() if name != "postgres") / MEGABYTE


def format_memory(memory: Mapping[str, int]) -> str:
    """Return the megabytes of each process, and of ours together."""
    each = ", ".join(f"{name} {size / MEGABYTE:.1f}" for name, size in memory.items())
    return f"MB PSS: {sum_megabytes(memory):.1f} ({each})"


def exit_with_faults(faults: list[str]) -> None:
    """Exit with code 1 and the faults, or with 0 where there are none."""
    for fault in faults:
        click.echo(f"BROKEN: {fault}", err=True)
    sys.exit(1 if faults else 0)


def list_errors(sample: Sample) -> list[str]:
    """Return the unexpected answers of a sample as faults."""
    return [f"{count} x {what}" for what, count in sample.errors.items()]

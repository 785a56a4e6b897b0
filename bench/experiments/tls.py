"""`python -m bench tls`: what TLS and mTLS cost between the gateway and a service.

Three times the gateway before an orders service, on stores of their own, which differ in the hop
between them alone. They are loaded in turn, in rounds that alternate. Beside the median stands the
least round: on a busy machine it is the one that was disturbed least.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

import click

from bench.experiments.contenders import GATEWAY, Stores, optigate
from bench.experiments.launcher import Contender, run_contenders
from bench.experiments.options import (
    CONNECTIONS,
    ENGINE,
    exit_with_faults,
    list_errors,
    open_fresh_stores,
)
from bench.report.measure import Sample, load_in_turn
from bench.scenarios.orders import create_orders, read_order
from tests.certificates import Files

SERVICE = "orders"
PLAINTEXT = "plaintext"
HOPS = (PLAINTEXT, "TLS", "mTLS")


def list_variables(hop: str, folder: Path) -> dict[str, Mapping[str, str]]:
    """Return the variables of a hop, by process; certificates go into the folder."""
    if hop == PLAINTEXT:
        return {}
    files, mutual = Files(folder), hop == "mTLS"
    return {SERVICE: files.server(mutual=mutual), GATEWAY: files.client(mutual=mutual)}


def build_hop(hop: str, make_store: Stores) -> Contender:
    """Return the gateway and the orders service with a hop of this kind between them."""
    variables = list_variables(hop, make_store.folder / hop)
    contender = optigate(make_store, (SERVICE,), has_sockets=False)  # they are plaintext always
    processes = tuple(
        replace(each, env={**each.env, **variables.get(each.name, {})})
        for each in contender.processes
    )
    # Only the gateway is asked whether all is ready: it has the certificates.
    return replace(contender, name=hop, processes=processes, grpc={})


def load_hops(
    make_store: Stores, *, rounds: int, seconds: float, connections: int
) -> dict[str, dict[str, list[Sample]]]:
    """Return the rounds of each kind of request, by hop."""
    samples: dict[str, dict[str, list[Sample]]] = {}
    hops = {hop: build_hop(hop, make_store) for hop in HOPS}
    with run_contenders([*hops.values()], make_store.folder) as started:
        roots = dict(zip(HOPS, started, strict=True))
        for work, build in (("POST /v1/orders", create_orders), ("GET /v1/orders/:id", read_order)):
            scenarios = {hop: build(each.http_address) for hop, each in hops.items()}
            samples[work] = load_in_turn(
                scenarios, roots, rounds=rounds, seconds=seconds, connections=connections
            )
    return samples


@click.command(help="What TLS and mTLS cost between the gateway and a service.")
@ENGINE
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Duration of a round.")
@CONNECTIONS
def tls(engine: str, rounds: int, seconds: float, connections: int) -> None:
    with open_fresh_stores(engine) as make_store:
        samples = load_hops(make_store, rounds=rounds, seconds=seconds, connections=connections)
    faults = []
    for work, of in samples.items():
        click.echo(work)
        for hop, every in of.items():
            costs = (f"{_describe_cost(every, name)} of {name} CPU" for name in (GATEWAY, SERVICE))
            rate = median(sample.throughput for sample in every)
            click.echo(f"  {hop:9} {', '.join(costs)}; {rate:.0f}/s")
            faults += [error for sample in every for error in list_errors(sample)]
    exit_with_faults(faults)


def _describe_cost(samples: list[Sample], process: str) -> str:
    """Return what a request costs a process: the median of the rounds, and the least."""
    costs = [each.cpu[process] for each in samples]
    return f"{median(costs):5.0f} us (least {min(costs):.0f})"


COMMANDS = (tls,)

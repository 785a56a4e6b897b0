"""`python -m bench replicas`: CreateOrder on one and on several processes of the orders service.

They share one PostgreSQL store, and each listens on a port of its own; the
load opens its connections to them in turn. The set-ups run at once and are
loaded in turn, and with them the FastAPI peer, which takes the same orders by HTTP.
"""

from statistics import median

import click

from bench.experiments.contenders import OPTIGATE, fastapi, optigate, orders_replicas
from bench.experiments.launcher import run_contenders
from bench.experiments.options import (
    CONNECTIONS,
    exit_with_faults,
    list_errors,
    open_fresh_stores,
    print_sample,
)
from bench.report.measure import Sample, take_sample
from bench.scenarios.orders import create_orders, create_orders_over_grpc
from bench.scenarios.scenario import HttpScenario

PEER = "fastapi"


@click.command(help="One and several processes of the orders service on one PostgreSQL store.")
@click.option(
    "--count", type=click.IntRange(2), default=2, show_default=True, help="Number of processes."
)
@click.option("--rounds", type=click.IntRange(1), default=4, show_default=True)
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Duration of a round.")
@CONNECTIONS
def replicas(count: int, rounds: int, seconds: float, connections: int) -> None:
    with open_fresh_stores("postgresql") as make_store:
        one, one_listens = orders_replicas(make_store, 1)
        several, several_listen = orders_replicas(make_store, count)
        whole, peer = optigate(make_store, ("orders",)), fastapi(make_store)
        contenders = (one, several, whole, peer)
        with run_contenders(contenders, make_store.folder) as started:
            roots = {each.name: of for each, of in zip(contenders, started, strict=True)}
            scenarios: dict[str, HttpScenario] = {
                one.name: create_orders_over_grpc(one_listens),
                several.name: create_orders_over_grpc(several_listen),
                OPTIGATE: create_orders(whole.http_address),
                peer.name: create_orders(peer.http_address),
            }
            samples: dict[str, list[Sample]] = {name: [] for name in scenarios}
            for _ in range(rounds):
                for name, scenario in scenarios.items():
                    processes = {**roots[name], **make_store.processes}
                    samples[name].append(
                        take_sample(scenario, processes, connections=connections, seconds=seconds)
                    )
            faults = [fault for each in scenarios.values() for fault in each.list_broken_promises()]
    _print_medians(samples, f"{count} x orders")
    faults += [error for every in samples.values() for each in every for error in list_errors(each)]
    exit_with_faults(faults)


def _print_medians(samples: dict[str, list[Sample]], many: str) -> None:
    """Print the median round of each set-up, and what it is to the others."""
    throughput = {name: median(each.throughput for each in of) for name, of in samples.items()}
    titles = {OPTIGATE: "the gateway and 1 x orders, over HTTP", PEER: "fastapi, over HTTP"}
    for name, every in samples.items():
        click.echo(titles.get(name, f"{name}, over gRPC"))
        print_sample(min(every, key=lambda of: abs(of.throughput - throughput[name])))
    for name in throughput:
        if name != many:
            ratio = throughput[many] / throughput[name]
            click.echo(f"{many} / {titles.get(name, name)}: {ratio:.2f}")


COMMANDS = [replicas]

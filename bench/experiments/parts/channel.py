"""`python -m bench channel`: the gateway's CPU with its own channel and with grpc's client.

Two gateways of one worker each stand before one orders service and are loaded in turn; they differ
in the client alone, and both run in the gateway's own gevent worker.
"""

from contextlib import ExitStack
from statistics import median

import click

from bench.experiments.contenders import (
    GATEWAY,
    Stores,
    build_gateway_command,
    optigate,
    run_in_shell,
)
from bench.experiments.launcher import (
    Contender,
    find_free_address,
    format_address,
    run_contender,
)
from bench.experiments.options import (
    CONNECTIONS,
    ENGINE,
    exit_with_faults,
    list_errors,
    open_fresh_stores,
)
from bench.report.measure import Sample, load_in_turn
from bench.scenarios.orders import create_orders, read_order

FRONTS = {
    "grpc's client": "bench.experiments.parts.grpc_front:create_app()",
    "own channel": "gateway:create_app()",
}


def build_front(name: str, services: Contender) -> Contender:
    """Return a gateway of one worker before services that run."""
    http = find_free_address()
    env = {"GATEWAY_BIND": format_address(http), "WEB_CONCURRENCY": "1"}
    for service, address in services.grpc.items():
        env[f"GATEWAY_{service.upper()}_ADDR"] = format_address(address)
    command = build_gateway_command(FRONTS[name], http).replace(
        " --config ", " --workers 1 --config "
    )
    return Contender(name, "", (run_in_shell(GATEWAY, command, env),), http, "/v1/labs")


def load_fronts(
    make_store: Stores, stack: ExitStack, *, rounds: int, seconds: float, connections: int
) -> dict[str, dict[str, list[Sample]]]:
    """Return the rounds of each kind of request, by client."""
    services = optigate(make_store, ("orders",), has_gateway=False)
    stack.enter_context(run_contender(services, make_store.folder))
    fronts = {name: build_front(name, services) for name in FRONTS}
    roots = {
        name: stack.enter_context(run_contender(front, make_store.folder))
        for name, front in fronts.items()
    }
    samples: dict[str, dict[str, list[Sample]]] = {}
    for work, build in (("POST /v1/orders", create_orders), ("GET /v1/orders/:id", read_order)):
        scenarios = {name: build(front.http_address) for name, front in fronts.items()}
        samples[work] = load_in_turn(
            scenarios, roots, rounds=rounds, seconds=seconds, connections=connections
        )
    return samples


@click.command(help="The gateway's CPU with its own channel and with grpc's client, under gevent.")
@ENGINE
@click.option("--rounds", type=click.IntRange(1), default=8, show_default=True)
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Duration of a round.")
@CONNECTIONS
def channel(engine: str, rounds: int, seconds: float, connections: int) -> None:
    with open_fresh_stores(engine) as make_store, ExitStack() as stack:
        samples = load_fronts(
            make_store, stack, rounds=rounds, seconds=seconds, connections=connections
        )
    faults = []
    for work, of in samples.items():
        click.echo(work)
        costs = {name: [sample.cpu[GATEWAY] for sample in every] for name, every in of.items()}
        for name, every in of.items():
            rate = median(sample.throughput for sample in every)
            rest = ", ".join(f"{cost:.0f}" for cost in costs[name])
            cpu = median(costs[name])
            click.echo(f"  {name:14} {cpu:5.0f} us of gateway CPU, {rate:5.0f}/s; rounds: {rest}")
            faults += [error for sample in every for error in list_errors(sample)]
        theirs, ours = (median(costs[name]) for name in FRONTS)
        click.echo(f"  own channel: {1 - ours / theirs:.1%} less CPU")
    exit_with_faults(faults)


COMMANDS = (channel,)

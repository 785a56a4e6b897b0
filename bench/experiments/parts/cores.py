"""`python -m bench cores`: the orders service on any core, on one of its choice, on a given one.

The threads of a process share one interpreter lock, so one runs at a time; the system spreads them
over all cores, and a handover of the lock then wakes another core. By default a busy service keeps
to a core of its choice (chassis/server/cores.py). All set-ups run at once and are loaded in turn,
in rounds that alternate.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from types import MappingProxyType

import click

from bench.experiments.contenders import Stores, optigate
from bench.experiments.launcher import Contender, run_contenders
from bench.experiments.options import (
    CONNECTIONS,
    ENGINE,
    exit_with_faults,
    list_errors,
    open_fresh_stores,
)
from bench.report.measure import Sample, load_in_turn
from bench.report.outcome import DIRECT, GET_ORDER, POST_ORDER
from bench.scenarios.orders import create_orders, create_orders_over_grpc, read_order
from bench.scenarios.scenario import HttpScenario

SERVICE = "orders"
ANY_CORE, CHOSEN_CORE, GIVEN_CORE = "any core", "a chosen core", "a given core"
WORKS: dict[str, Callable[[Contender], HttpScenario]] = {
    POST_ORDER: lambda of: create_orders(of.http_address),
    GET_ORDER: lambda of: read_order(of.http_address),
    DIRECT: lambda of: create_orders_over_grpc(of.grpc[SERVICE]),
}


def build_setups(make_store: Stores) -> dict[str, Contender]:
    """Return the gateway and the service: on any core, as by default, and on the last core."""
    given = ("taskset", "--cpu-list", str(max(os.sched_getaffinity(0))))
    return {
        ANY_CORE: _build_setup(make_store, ANY_CORE, env={"ONE_CORE": "off"}),
        CHOSEN_CORE: _build_setup(make_store, CHOSEN_CORE),
        GIVEN_CORE: _build_setup(make_store, GIVEN_CORE, given),
    }


def _build_setup(
    make_store: Stores,
    name: str,
    wrapper: tuple[str, ...] = (),
    env: Mapping[str, str] = MappingProxyType({}),
) -> Contender:
    """Return both processes; the service runs by the wrapper, and with more in its environment."""
    whole = optigate(make_store, (SERVICE,))
    processes = tuple(
        replace(each, argv=(*wrapper, *each.argv), env={**each.env, **env})
        if each.name == SERVICE
        else each
        for each in whole.processes
    )
    return replace(whole, name=name, processes=processes)


def load_setups(
    make_store: Stores, *, rounds: int, seconds: float, connections: int
) -> dict[str, dict[str, list[Sample]]]:
    """Return the rounds of each kind of request, by set-up."""
    setups = build_setups(make_store)
    samples: dict[str, dict[str, list[Sample]]] = {}
    with run_contenders([*setups.values()], make_store.folder) as started:
        roots = {
            name: {**of, **make_store.processes} for name, of in zip(setups, started, strict=True)
        }
        for work, build in WORKS.items():
            scenarios = {name: build(each) for name, each in setups.items()}
            samples[work] = load_in_turn(
                scenarios, roots, rounds=rounds, seconds=seconds, connections=connections
            )
    return samples


@click.command(help="The orders service on any core, and kept to one.")
@ENGINE
@click.option("--rounds", type=click.IntRange(1), default=8, show_default=True)
@click.option("--seconds", type=float, default=5.0, show_default=True, help="Duration of a round.")
@CONNECTIONS
def cores(engine: str, rounds: int, seconds: float, connections: int) -> None:
    with open_fresh_stores(engine) as make_store:
        samples = load_setups(make_store, rounds=rounds, seconds=seconds, connections=connections)
    faults = []
    for work, of in samples.items():
        click.echo(work)
        for name, every in of.items():
            click.echo(f"  {name}: {_describe(every)}")
            faults += [error for sample in every for error in list_errors(sample)]
    exit_with_faults(faults)


def _describe(every: list[Sample]) -> str:
    """Return the medians of the rounds."""
    rate = median(each.throughput for each in every)
    p99 = median(each.latencies["p99"] for each in every)
    cpu = median(sum(each.cpu.values()) for each in every)
    own = median(each.cpu[SERVICE] for each in every)
    return f"{rate:.0f}/s, p99 {p99:.0f} ms, CPU {cpu:.0f} us, of it {SERVICE} {own:.0f}"


COMMANDS = (cores,)

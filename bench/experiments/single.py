"""`python -m bench orders|sessions|subscriptions`: one service alone, directly over gRPC.

`python -m bench http orders|sessions|subscriptions`: the same through the gateway.
With `--target HOST:PORT` both load what already runs there, and start nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bench.experiments.contenders import SERVICES, find_subscription
from bench.experiments.launcher import Contender
from bench.experiments.options import (
    CONNECTIONS,
    ENGINE,
    exit_with_faults,
    format_memory,
    list_errors,
    print_sample,
    run_optigate,
)
from bench.load.sockets import Address
from bench.report.measure import Sample, take_sample
from bench.report.processes import read_memory
from bench.scenarios import orders, sessions, subscriptions
from bench.scenarios.bodies import DEMO_CALLERS, Caller
from bench.scenarios.scenario import HttpScenario

Build = Callable[[Contender], HttpScenario]
BuildForTarget = Callable[["Target"], HttpScenario]
GRPC: dict[str, Build] = {
    "orders": lambda of: orders.create_orders_over_grpc(of.grpc["orders"]),
    "sessions": lambda of: sessions.create_sessions_over_grpc(of.grpc["sessions"]),
    "subscriptions": lambda of: subscriptions.DeliverOverGrpc(of.grpc["subscriptions"]),
}
GRPC_READ: dict[str, Build] = {
    "subscriptions": lambda of: subscriptions.read_subscription_over_grpc(
        of.grpc["subscriptions"], find_subscription(of)
    ),
}
HTTP: dict[str, Build] = {
    "orders": lambda of: orders.create_orders(of.http_address),
    "sessions": lambda of: sessions.create_sessions(of.http_address),
    "subscriptions": lambda of: subscriptions.DeliverOverHttp(
        of.http_address, of.grpc["subscriptions"]
    ),
}
HTTP_READ: dict[str, Build] = {
    "orders": lambda of: orders.read_order(of.http_address),
    "subscriptions": lambda of: subscriptions.read_subscription(
        of.http_address, find_subscription(of)
    ),
}


@dataclass(frozen=True)
class Target:
    """A deployment that already runs, with its credentials."""

    address: Address
    caller: Caller
    body: dict[str, Any] | None = None  # of an order, where the demo data is not loaded
    subscription: str = ""  # the id of one to read

    @property
    def subscription_id(self) -> str:
        """The subscription to read."""
        if not self.subscription:
            raise click.UsageError("--read of subscriptions needs --id with --target.")
        return self.subscription


GRPC_TARGET: dict[str, BuildForTarget] = {
    "orders": lambda of: orders.create_orders_over_grpc(of.address, of.caller, of.body),
    "sessions": lambda of: sessions.create_sessions_over_grpc(of.address, of.caller),
    "subscriptions": lambda of: subscriptions.create_subscriptions_over_grpc(of.address, of.caller),
}
GRPC_TARGET_READ: dict[str, BuildForTarget] = {
    "subscriptions": lambda of: subscriptions.read_subscription_over_grpc(
        of.address, of.subscription_id, of.caller
    ),
}
HTTP_TARGET: dict[str, BuildForTarget] = {
    "orders": lambda of: orders.create_orders(of.address, of.caller, of.body),
    "sessions": lambda of: sessions.create_sessions(of.address, of.caller),
    "subscriptions": lambda of: subscriptions.create_subscriptions(of.address, of.caller),
}
HTTP_TARGET_READ: dict[str, BuildForTarget] = {
    "orders": lambda of: orders.read_order(of.address, of.caller, of.body),
    "subscriptions": lambda of: subscriptions.read_subscription(
        of.address, of.subscription_id, of.caller
    ),
}


@dataclass(frozen=True)
class Pressure:
    """How hard a service is loaded, and how the result is reported."""

    rate: float
    seconds: float
    connections: int
    closed: bool
    as_json: bool
    max_p99: float | None

    def take_sample(self, scenario: HttpScenario, roots: Mapping[str, int]) -> Sample:
        """Run the load."""
        rate = None if self.closed else self.rate
        return take_sample(
            scenario, roots, connections=self.connections, seconds=self.seconds, rate=rate
        )

    def find_faults(self, scenario: HttpScenario, sample: Sample) -> list[str]:
        """Return what went wrong: broken promises, errors, a p99 above the threshold."""
        faults = scenario.list_broken_promises() + list_errors(sample)
        p99 = sample.latencies["p99"]
        if self.max_p99 is not None and p99 > self.max_p99:
            faults.append(f"p99 is {p99:.1f} ms, above {self.max_p99:g}")
        return faults

    def report(self, sample: Sample, memory: Mapping[str, int], faults: list[str]) -> None:
        """Print the figures, and exit with 1 where something went wrong."""
        if self.as_json:
            figures = asdict(sample) | {
                "errors": dict(sample.errors),
                "error_count": sum(sample.errors.values()),
                "memory": dict(memory),
                "faults": faults,
            }
            click.echo(json.dumps(figures))
        else:
            print_sample(sample)
            if memory:
                click.echo(f"  {format_memory(memory)}")
        exit_with_faults(faults)


def load_own(service: str, build: Build, engine: str, pressure: Pressure, *, http: bool) -> None:
    """Start one service, and the gateway if it is asked for, and load it."""
    with run_optigate(engine, (service,), has_gateway=http) as (contender, roots):
        scenario = build(contender)
        sample = pressure.take_sample(scenario, roots)
        memory, faults = read_memory(roots), pressure.find_faults(scenario, sample)
    pressure.report(sample, memory, faults)


def load_target(build: BuildForTarget, target: Target, pressure: Pressure) -> None:
    """Load a deployment that already runs."""
    try:
        scenario = build(target)
        sample = pressure.take_sample(scenario, {})
    except (OSError, RuntimeError) as error:
        raise click.ClickException(f"{target.address[0]}:{target.address[1]}: {error}") from None
    pressure.report(sample, {}, pressure.find_faults(scenario, sample))


def parse_target(_context: click.Context, _option: click.Parameter, text: str) -> Address | None:
    """Return the address of --target."""
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter("Write HOST:PORT.")
    return host.strip("[]"), int(port)


def _build_command(service: str, way: str, *, http: bool) -> click.Command:
    own, own_read = (HTTP, HTTP_READ) if http else (GRPC, GRPC_READ)
    far, far_read = (HTTP_TARGET, HTTP_TARGET_READ) if http else (GRPC_TARGET, GRPC_TARGET_READ)
    caller = DEMO_CALLERS[service]

    @click.command(service, help=f"Load the {service} service {way}.")
    @ENGINE
    @click.option("--rate", type=float, default=200.0, show_default=True, help="Requests/s.")
    @click.option("--seconds", type=float, default=10.0, show_default=True)
    @CONNECTIONS
    @click.option(
        "--closed", is_flag=True, help="Closed loop: as fast as it answers, instead of --rate."
    )
    @click.option("--read", is_flag=True, help="Read one thing, instead of creating new ones.")
    @click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
    @click.option("--max-p99", type=float, help="Exit with 1 if p99 exceeds this many ms.")
    @click.option(
        "--target",
        callback=parse_target,
        default="",
        metavar="HOST:PORT",
        help="Load a deployment that already runs there, without TLS, and start nothing.",
    )
    @click.option("--client", default=caller.name, show_default=True, help="With --target.")
    @click.option(
        "--secret",
        envvar="BENCH_SECRET",
        default=caller.secret,
        help="With --target; better in BENCH_SECRET.",
    )
    @click.option("--user-email", default=caller.user_email, help="With --target, for orders.")
    @click.option(
        "--body",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="With --target: a JSON file with the order to send.",
    )
    @click.option("--id", "id_", default="", help="With --target: the subscription to read.")
    def command(
        engine: str, read: bool, target: Address | None, client: str, secret: str,
        user_email: str, body: Path | None, id_: str, **pressure: Any,
    ) -> None:  # fmt: skip
        if target is not None:
            build_far = (far_read if read else far).get(service)
            order = None if body is None else json.loads(body.read_text())
            caller = Caller(client, secret, user_email)
            if build_far is None:
                raise click.UsageError(f"There is nothing to read in {service} this way.")
            load_target(build_far, Target(target, caller, order, id_), Pressure(**pressure))
            return
        build = (own_read if read else own).get(service)
        if build is None:
            raise click.UsageError(f"There is nothing to read in {service} this way.")
        load_own(service, build, engine, Pressure(**pressure), http=http)

    return command


@click.group("http", help="The same through the gateway.")
def through_http() -> None:
    pass


for each in SERVICES:
    through_http.add_command(_build_command(each, "through the gateway", http=True))
COMMANDS = [*(_build_command(each, "by gRPC", http=False) for each in SERVICES), through_http]

"""`python -m bench metrics`: what METRICS_LISTEN costs, in microseconds of one process's CPU.

The gateway answers `GET /livez` and the orders service `WhoAmI`, both the cheapest there is, with
metrics and without, in short blocks that take turns: the figure is the least of the blocks of each.
Client and server are one process, so only the difference is the cost.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

import click
import grpc

from bench.experiments.contenders import prepare_store
from bench.experiments.parts.translate import measure_microseconds
from bench.scenarios.bodies import DEMO_CALLERS
from chassis.metrics.listener import Page
from chassis.store.database import Database
from protos import orders_pb2

BLOCKS = 400
WHO_AM_I = "/optigate.orders.v1.OrderService/WhoAmI"
ON, OFF = "on", "off"


@click.command(help="The cost of metrics per request, in one process.")
@click.option(
    "--share", type=float, default=1.0, help="Fraction of the usual number of repetitions."
)
def metrics(share: float) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="optigate-bench-") as name,
        # Before anything imports the library.
        patch.dict(os.environ, {"PROMETHEUS_MULTIPROC_DIR": name, "LOG_DIR": name}),
    ):
        with _open_gateways() as gateways:
            _report("gateway, GET /livez", gateways, max(int(20 * share), 1))
        # A service has one process and counts in memory.
        with _serve_orders(Path(name)) as (services, scrape):
            _report("orders, WhoAmI and its client", services, max(int(20 * share), 1))
            times = max(int(50 * share), 1)
            click.echo(f"{'a scrape of orders':32}{measure_microseconds(scrape, times):8.1f}")


def _report(title: str, works: dict[str, Callable[[], Any]], times: int) -> None:
    best = dict.fromkeys(works, float("inf"))
    for _ in range(BLOCKS):
        for name, work in works.items():
            began = process_time()
            for _ in range(times):
                work()
            best[name] = min(best[name], (process_time() - began) / times * 1e6)
    on, off = best[ON], best[OFF]
    click.echo(f"{title:32}{off:8.1f} off {on:8.1f} on {on - off:+8.1f}")


@contextmanager
def _open_gateways() -> Iterator[dict[str, Callable[[], Any]]]:
    from gateway import create_app

    apps = {name: create_app({"METRICS": name == ON}) for name in (OFF, ON)}
    try:
        yield {name: _build_get(app) for name, app in apps.items()}
    finally:
        apps[ON].extensions["metrics"].stop()
        for app in apps.values():
            app.extensions["backends"].close()


def _build_get(app: Any) -> Callable[[], Any]:
    client = app.test_client()
    return lambda: client.get("/livez")


@contextmanager
def _serve_orders(
    folder: Path,
) -> Iterator[tuple[dict[str, Callable[[], Any]], Callable[[], Page]]]:
    from prometheus_client import values

    from chassis.metrics.service import ServiceMetrics
    from orders_svc.definition import SERVICE

    values.ValueClass = values.MutexValue
    url = f"sqlite:///{folder}/orders.db"
    prepare_store("orders", url)
    plain, database = Database(url), Database(url)
    measured = ServiceMetrics(database, SERVICE.outbox, folder, is_server=True)
    servers = [
        SERVICE.start(plain, "127.0.0.1:0", "http://127.0.0.1:8080"),
        SERVICE.start(
            database,
            "127.0.0.1:0",
            "http://127.0.0.1:8080",
            observe_call=measured.observe_call,
            observe_lookup=measured.observe_lookup,
        ),
    ]
    measured.watch_server(servers[-1])
    channels = [grpc.insecure_channel(f"127.0.0.1:{each.port}") for each in servers]
    calls = dict(zip((OFF, ON), map(_build_call, channels), strict=True))
    try:
        yield calls, measured.build_pages()["/metrics"]
    finally:
        for channel in channels:
            channel.close()
        for server in servers:
            server.stop(0)


def _build_call(channel: grpc.Channel) -> Callable[[], Any]:
    call: Any = channel.unary_unary(WHO_AM_I, orders_pb2.WhoAmIRequest.SerializeToString)
    caller = DEMO_CALLERS["orders"]
    metadata = [("authorization", caller.basic), ("user-email", caller.user_email)]

    return lambda: call(orders_pb2.WhoAmIRequest(), metadata=metadata, timeout=10)


COMMANDS = [metrics]

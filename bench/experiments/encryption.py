"""`python -m bench encryption`: orders in a plain store and in an encrypted one, in one run.

Two services, each on a store of its own, are called in turn over gRPC, one call at a
time: medians in milliseconds, and the CPU time of a call, with the client's in it.
"""

import os
import secrets
import time
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from statistics import mean, median
from typing import Any

import click
import grpc
from google.protobuf.json_format import ParseDict

from bench.experiments.options import ENGINE, open_fresh_stores
from bench.experiments.service_code import ORDERS
from bench.scenarios.bodies import DEMO, DEMO_CALLERS, load_demo_order
from chassis.store.database import Database
from chassis.store.encryption.keyring import KEY_BYTES, Key, Keyring
from chassis.store.migrations import migrate
from protos import orders_pb2 as pb
from protos.orders_pb2_grpc import DashboardServiceStub, OrderServiceStub

CLIENT = DEMO_CALLERS["orders"]
METADATA = (("authorization", CLIENT.basic), ("user-email", CLIENT.user_email))
WARMUP_CALLS = 30
Call = Callable[[], Any]


def build_calls(channel: grpc.Channel) -> dict[str, Call]:
    """Return what is measured, by name."""
    orders, dashboard = OrderServiceStub(channel), DashboardServiceStub(channel)
    order = ParseDict(load_demo_order(), pb.CreateOrderRequest())

    def create(*more: tuple[str, str]) -> Any:
        return orders.CreateOrder(order, timeout=30, metadata=(*METADATA, *more))

    made = pb.GetOrderRequest(order_id=create().id)
    search = pb.SearchOrdersRequest(text="ada ex", limit=25)
    return {
        "CreateOrder": create,
        "CreateOrder with a key": lambda: create(("idempotency-key", secrets.token_hex(8))),
        "GetOrder": lambda: orders.GetOrder(made, timeout=30, metadata=METADATA),
        "SearchOrders, 25 found": lambda: dashboard.SearchOrders(
            search, timeout=30, metadata=METADATA
        ),
    }


@click.command(help="Orders in a plain store and in an encrypted one.")
@ENGINE
@click.option("--calls", type=click.IntRange(10, 10_000), default=500, show_default=True)
def encryption(engine: str, calls: int) -> None:
    ring = Keyring([Key("bench", os.urandom(KEY_BYTES))])
    with open_fresh_stores(engine) as make_store, ExitStack() as opened:
        sides = []
        for keyring in (None, ring):
            database = Database(make_store("orders"), keyring=keyring)
            migrate(database, ORDERS.migrations)
            with database.write() as tx:
                text = (DEMO / "orders.toml").read_text()
                ORDERS.load(tx, ORDERS.reference.load(tomllib.loads(text)))
            running = ORDERS.start(database, "127.0.0.1:0", "http://127.0.0.1:8080")
            opened.callback(running.stop, 0)
            channel = grpc.insecure_channel(f"127.0.0.1:{running.port}")
            sides.append(build_calls(opened.enter_context(channel)))
        _print_costs(sides, calls)


def _print_costs(sides: list[dict[str, Call]], calls: int) -> None:
    header = f"{'plain':>8} {'sealed':>8} {'ratio':>6}"
    click.echo(f"{'ms, median and mean CPU':26} {header}  {'plain':>8} {'sealed':>8} {'ratio':>6}")
    for what in sides[0]:
        for side in sides:
            for _ in range(WARMUP_CALLS):
                side[what]()
        taken = [[_measure(side[what]) for side in sides] for _ in range(calls)]
        line = f"{what:26}"
        for find, part in ((median, 0), (mean, 1)):
            plain, sealed = (find([each[n][part] for each in taken]) * 1e3 for n in (0, 1))
            line += f" {plain:8.2f} {sealed:8.2f} {sealed / plain:6.2f} "
        click.echo(line)


def _measure(call: Call) -> tuple[float, float]:
    """Return the seconds of a call, and the CPU time of this process meanwhile."""
    began, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - cpu


COMMANDS = [encryption]

"""`python -m bench translate`: what one order costs from bytes to the store, in microseconds.

Each figure is the best of several repeats in this process; figures of one run
compare with each other, not with another machine's.
"""

import json
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from google.protobuf import json_format

from bench.experiments.contenders import prepare_store
from bench.experiments.service_code import OrderStore, check_order
from bench.scenarios.bodies import load_demo_order
from chassis.messages.plain import to_dict
from chassis.messages.reader import Reader
from chassis.messages.writer import Writer
from chassis.store.database import Database
from protos.orders_pb2 import CreateOrderRequest

REPEATS = 7


def measure_microseconds(work: Callable[[], Any], times: int) -> float:
    """Return the best time of one piece of work."""
    return min(timeit.repeat(work, number=times, repeat=REPEATS)) / times * 1e6


@click.command(help="The cost of one order from bytes to the store, in one process.")
@click.option(
    "--share", type=float, default=1.0, help="Fraction of the usual number of repetitions."
)
def translate(share: float) -> None:
    body = json.dumps(load_demo_order()).encode()
    reader, writer = Reader(CreateOrderRequest), Writer(CreateOrderRequest)
    request = reader.read(body)
    values = check_order(request)
    with tempfile.TemporaryDirectory(prefix="optigate-bench-") as name:
        url = f"sqlite:///{Path(name)}/orders.db"
        prepare_store("orders", url)
        database = Database(url)
        store = OrderStore(database)
        rows: list[tuple[str, Callable[[], Any], int]] = [
            ("bytes -> CreateOrderRequest", lambda: reader.read(body), 2000),
            ("json_format.Parse", lambda: json_format.Parse(body, CreateOrderRequest()), 300),
            ("message -> dict", lambda: to_dict(request), 2000),
            ("message -> dict, marshmallow rules", lambda: check_order(request), 500),
            ("message -> bytes", lambda: writer.write(request), 2000),
            ("json_format.MessageToJson", lambda: json_format.MessageToJson(request), 300),
            ("what the lab offers, SQLite", lambda: store.read_offer(values), 200),
            ("insert + commit, SQLite, synchronous=FULL", store.insert, 100),
            ("an order's row, SQLite, by SQLAlchemy", store.find_by_sqlalchemy, 500),
            ("an order's row, SQLite, compiled once", store.find, 500),
        ]
        click.echo(f"An order of {len(body)} bytes, microseconds, best of {REPEATS}:")
        for title, work, times in rows:
            taken = measure_microseconds(work, max(int(times * share), 1))
            click.echo(f"  {title:45}{taken:8.1f}")
        database.close()


COMMANDS = [translate]

"""`python -m bench catalogs`: the orders service with a small and with a large catalog, in one run.

One service has both labs, that of the demo and one of 2,000 styles, 300 materials in each of them
and 500 coats. Calls go to them in turn, over gRPC, one at a time: medians in milliseconds.
"""

import base64
import json
import random
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import click
import grpc
from google.protobuf.json_format import ParseDict

from bench.experiments.contenders import stores
from bench.experiments.single import ENGINE
from bench.report.measure import machine
from chassis.store.database import Database
from chassis.store.migrations import migrate
from orders_svc.__main__ import SERVICE
from protos import orders_pb2 as pb
from protos.orders_pb2_grpc import OrderServiceStub

DEMO = Path(__file__).parents[2] / "demo"
STYLES, GROUPS, MATERIALS, COATS = 2_000, 10, 300, 500
NUMBER = {"account_number": "1234567"}
BASIC = "Basic " + base64.b64encode(b"demo-client:demo-client-secret").decode()
CALLER = (("authorization", BASIC), ("user-email", "optician@example.com"))
Asks = Callable[[], Any]


def large(demo: dict[str, Any]) -> dict[str, Any]:
    """A lab whose styles come in groups, each with materials of its own."""
    styles = [f"style_{number:04}" for number in range(STYLES)]
    coats = [f"coat_{number:03}" for number in range(COATS)]
    return {
        **demo,
        "id": "lab_large",
        "styles": [
            {"id": each, "name": f"Style {each}", "lens_type": "multifocal"} for each in styles
        ],
        "materials": [
            {
                "id": f"material_{group}_{number:03}",
                "name": f"Material {number}",
                "styles": styles[group::GROUPS],
                "colors": ["color_123"],
                "coats": coats,
                "tints": ["Gray", "Brown"],
            }
            for group in range(GROUPS)
            for number in range(MATERIALS)
        ],
        "coats": [{"id": each, "name": f"Coat {each}", "type": "ar"} for each in coats],
    }


def lenses(lab: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Lenses of a lab's catalog, none twice."""
    chance, seen = random.Random(1), set()
    while True:
        material = chance.choice(lab["materials"])
        style, color = chance.choice(material["styles"]), chance.choice(material["colors"])
        coats = chance.sample(material["coats"], chance.randint(0, 3))
        tint = chance.choice(material["tints"])
        lens = {"style": style, "material": material["id"], "color": color, "coats": coats}
        named = (style, material["id"], color, *coats, tint)
        if named not in seen:
            seen.add(named)
            yield {**lens, "tint": tint, "tint_instruction": "20% solid"}


def load(database: Database, labs: list[dict[str, Any]]) -> None:
    """Load both labs, and tell how long that takes."""
    file = tomllib.loads((DEMO / "orders.toml").read_text()) | {"labs": labs}
    file["users"] = [{**file["users"][0], "labs": [{"lab": lab["id"], **NUMBER} for lab in labs]}]
    for what in ("load", "load once more"):
        start = time.perf_counter()
        checked = SERVICE.reference.load(file)
        read = time.perf_counter()
        with database.write() as tx:
            SERVICE.load(tx, checked)
        wrote = time.perf_counter()
        click.echo(f"{what}: {read - start:.1f} s to check, {wrote - read:.2f} s to write")


def asks(stub: Any, lab: dict[str, Any]) -> dict[str, Asks]:
    """What is asked of a lab, by name."""
    order = json.loads((DEMO / "order.json").read_text())
    del order["frame"]["tracing"]
    of: dict[str, Any] = {"lab": lab["id"], **NUMBER}
    offered = lenses(lab)
    known = next(offered)
    style = {"style": known["style"]}
    material = {**style, "material": known["material"]}

    def ask(rpc: str, request: Any) -> Any:
        return getattr(stub, rpc)(request, timeout=30, metadata=CALLER)

    def create(lens: dict[str, Any]) -> Any:
        return ask("CreateOrder", ParseDict({**order, **of, "lens": lens}, pb.CreateOrderRequest()))

    return {
        "ListStyles": lambda: ask("ListStyles", pb.ListStylesRequest(**of, lens_type="multifocal")),
        "ListMaterials": lambda: ask("ListMaterials", pb.ListMaterialsRequest(**of, **style)),
        "ListAddons": lambda: ask("ListAddons", pb.ListAddonsRequest(**of, **material)),
        "CreateOrder, one lens": lambda: create(known),
        "CreateOrder, new lenses": lambda: create(next(offered)),
    }


def milliseconds(work: Asks) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


@click.command(help="Catalog calls and orders with a small and with a large catalog.")
@ENGINE
@click.option("--calls", type=click.IntRange(3, 100), default=60, show_default=True)
def catalogs(engine: str, calls: int) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="optigate-bench-") as name,
        stores(engine, Path(name)) as make_store,
    ):
        click.echo(machine(Path(name)))
        database = Database(make_store("orders"))
        migrate(database, SERVICE.migrations)
        small = tomllib.loads((DEMO / "orders.toml").read_text())["labs"][0]
        labs = [small, large(small)]
        load(database, labs)
        running = SERVICE.start(database, "127.0.0.1:0", "http://127.0.0.1:8080")
        with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
            stub = OrderServiceStub(channel)
            both = [asks(stub, lab) for lab in labs]
            click.echo(f"{'ms, median':24} {'small':>8} {'large':>8} {'ratio':>6}  entries")
            for what in both[0]:
                size = [entries(each[what]()) for each in both]
                taken = [[milliseconds(each[what]) for each in both] for _ in range(calls)]
                few, many = (median(times) for times in zip(*taken, strict=True))
                listed = ", ".join(map(str, size))
                click.echo(f"{what:24} {few:8.2f} {many:8.2f} {many / few:6.2f}  {listed}")
        running.stop(0)


def entries(answer: Any) -> int:
    """How many entries an answer of a catalog lists."""
    if not hasattr(answer, "data"):
        return 1
    if isinstance(answer.data, pb.Addons):
        return len(answer.data.coats) + len(answer.data.colors) + len(answer.data.tints)
    return len(answer.data)


COMMANDS = [catalogs]

"""`python -m bench catalogs`: the orders service with a small and with a large catalog, in one run.

One service has both labs, that of the demo and one of 2,000 styles, 300 materials in each of them
and 500 coats. Calls go to them in turn, over gRPC, one at a time: medians in milliseconds.
"""

import random
import time
import tomllib
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import click
import grpc
from google.protobuf.json_format import ParseDict

from bench.experiments.options import ENGINE, open_fresh_stores
from bench.experiments.service_code import ORDERS
from bench.report.measure import time_call
from bench.scenarios.bodies import DEMO, DEMO_CALLERS, load_demo_order
from chassis.store.database import Database
from chassis.store.migrations import migrate
from protos import orders_pb2 as pb
from protos.orders_pb2_grpc import OrderServiceStub

STYLES, STYLE_GROUPS, MATERIALS_PER_GROUP, COATS = 2_000, 10, 300, 500
ACCOUNT_NUMBER = {"account_number": "1234567"}
CLIENT = DEMO_CALLERS["orders"]
METADATA = (("authorization", CLIENT.basic), ("user-email", CLIENT.user_email))
Call = Callable[[], Any]


def build_large_lab(demo: dict[str, Any]) -> dict[str, Any]:
    """Return a lab whose styles come in groups, each with materials of its own."""
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
                "styles": styles[group::STYLE_GROUPS],
                "colors": ["color_123"],
                "coats": coats,
                "tints": ["Gray", "Brown"],
            }
            for group in range(STYLE_GROUPS)
            for number in range(MATERIALS_PER_GROUP)
        ],
        "coats": [{"id": each, "name": f"Coat {each}", "type": "ar"} for each in coats],
    }


def generate_lenses(lab: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield distinct lenses of a lab's catalog."""
    chance, used = random.Random(1), set()
    while True:
        material = chance.choice(lab["materials"])
        style, color = chance.choice(material["styles"]), chance.choice(material["colors"])
        coats = chance.sample(material["coats"], chance.randint(0, 3))
        tint = chance.choice(material["tints"])
        lens = {"style": style, "material": material["id"], "color": color, "coats": coats}
        key = (style, material["id"], color, *coats, tint)
        if key not in used:
            used.add(key)
            yield {**lens, "tint": tint, "tint_instruction": "20% solid"}


def load_labs(database: Database, labs: list[dict[str, Any]]) -> None:
    """Load labs twice, and print how long each takes."""
    file = tomllib.loads((DEMO / "orders.toml").read_text()) | {"labs": labs}
    user_labs = [{"lab": lab["id"], **ACCOUNT_NUMBER} for lab in labs]
    file["users"] = [{**file["users"][0], "labs": user_labs}]
    for what in ("load", "load once more"):
        start = time.perf_counter()
        reference = ORDERS.reference.load(file)
        checked_at = time.perf_counter()
        with database.write() as tx:
            ORDERS.load(tx, reference)
        written_at = time.perf_counter()
        click.echo(
            f"{what}: {checked_at - start:.1f} s to check, {written_at - checked_at:.2f} s to write"
        )


def build_calls(stub: Any, lab: dict[str, Any]) -> dict[str, Call]:
    """Return the calls about a lab, by name."""
    order, of = load_demo_order(), {"lab": lab["id"], **ACCOUNT_NUMBER}
    lenses = generate_lenses(lab)
    lens = next(lenses)
    style = {"style": lens["style"]}
    material = {**style, "material": lens["material"]}

    def call(rpc: str, request: Any) -> Any:
        return getattr(stub, rpc)(request, timeout=30, metadata=METADATA)

    def create(lens: dict[str, Any]) -> Any:
        body = {**order, **of, "lens": lens}
        return call("CreateOrder", ParseDict(body, pb.CreateOrderRequest()))

    return {
        "ListStyles": lambda: call(
            "ListStyles", pb.ListStylesRequest(**of, lens_type="multifocal")
        ),
        "ListMaterials": lambda: call("ListMaterials", pb.ListMaterialsRequest(**of, **style)),
        "ListAddons": lambda: call("ListAddons", pb.ListAddonsRequest(**of, **material)),
        "CreateOrder, one lens": lambda: create(lens),
        "CreateOrder, new lenses": lambda: create(next(lenses)),
    }


@click.command(help="Catalog calls and orders with a small and with a large catalog.")
@ENGINE
@click.option("--calls", type=click.IntRange(3, 100), default=60, show_default=True)
def catalogs(engine: str, calls: int) -> None:
    with open_fresh_stores(engine) as make_store:
        database = Database(make_store("orders"))
        migrate(database, ORDERS.migrations)
        small = tomllib.loads((DEMO / "orders.toml").read_text())["labs"][0]
        labs = [small, build_large_lab(small)]
        load_labs(database, labs)
        running = ORDERS.start(database, "127.0.0.1:0", "http://127.0.0.1:8080")
        try:
            with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
                stub = OrderServiceStub(channel)
                _print_medians([build_calls(stub, lab) for lab in labs], calls)
        finally:
            running.stop(0)


def _print_medians(labs: list[dict[str, Call]], calls: int) -> None:
    click.echo(f"{'ms, median':24} {'small':>8} {'large':>8} {'ratio':>6}  entries")
    for what in labs[0]:
        sizes = [count_entries(each[what]()) for each in labs]
        taken = [[time_call(each[what]) for each in labs] for _ in range(calls)]
        small, large = (median(times) for times in zip(*taken, strict=True))
        entries = ", ".join(map(str, sizes))
        click.echo(f"{what:24} {small:8.2f} {large:8.2f} {large / small:6.2f}  {entries}")


def count_entries(answer: Any) -> int:
    """Return how many entries an answer about a catalog lists."""
    if not hasattr(answer, "data"):
        return 1
    if isinstance(answer.data, pb.Addons):
        return len(answer.data.coats) + len(answer.data.colors) + len(answer.data.tints)
    return len(answer.data)


COMMANDS = [catalogs]

"""The whole product with a proxy between every two processes, a clock, and a disk of its own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chassis.context import utc_now
from chassis.settings.workers import UNIX, list_sockets
from chassis.store.database import Database
from tests import postgres
from tests.chaos.campaign.clock import Clock
from tests.chaos.campaign.proxy import Proxy
from tests.chaos.campaign.servers import OwnPostgres, small_disk
from tests.chaos.product import ROOT, Product, keep_running
from tests.chassis.events.receiver import Receiver, run_receiver
from tests.redis_server import RedisServer, redis_server
from tests.serving import SERVICES, get_definition, load_demo

RPC_SECONDS = 30  # a call may take its time on a busy machine, and is not to fail for that
WORKERS = 2  # of each service on PostgreSQL
OWNERS = {
    "sessions": "demo-partner",
    "orders": "demo-client",
    "subscriptions": "tienda_moderna",
}


@dataclass
class Stage:
    """A running product, and everything around it that can fail."""

    engine: str
    product: Product
    disk: Path
    clock: Clock
    receiver: Receiver
    redis: RedisServer
    postgres: OwnPostgres | None
    stores: dict[str, str]  # URLs, past the proxies
    proxies: dict[str, Proxy] = field(default_factory=dict)

    @property
    def front(self) -> str:
        """Where clients find the gateway."""
        return self.proxies["client-gateway"].address

    def list_proxies(self, kind: str) -> list[Proxy]:
        """The proxies of a kind, such as gateway-service."""
        return [proxy for name, proxy in self.proxies.items() if name.startswith(kind)]


@contextmanager
def run_stage(folder: Path, templates: Callable[[str, str], str], engine: str) -> Iterator[Stage]:
    """Start everything, and end it with the block."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk())
        redis = stack.enter_context(redis_server(disk))
        receiver = stack.enter_context(run_receiver())
        own = OwnPostgres(disk) if engine == "postgresql" else None
        if own is not None:
            stack.callback(own.stop)
        clock = Clock(folder / "clock")
        data = folder / "data"
        data.mkdir(mode=0o700)
        product = Product.prepare(data, templates)
        stage = Stage(engine, product, disk, clock, receiver, redis, own, {})
        product.environment.update(prepare(stage, templates))
        for proxy in stage.proxies.values():
            stack.callback(proxy.close)
        stack.enter_context(keep_running(product))
        yield stage


def prepare(stage: Stage, templates: Callable[[str, str], str]) -> dict[str, str]:
    """Build stores and proxies; returns the variables that lead the product through them."""

    def through(name: str, target: str) -> str:
        stage.proxies[name] = Proxy(target)
        return stage.proxies[name].address

    product = stage.product
    environment = {
        **stage.clock.environment,
        "GATEWAY_LIMIT_STORE": "redis://"
        + through("gateway-redis", stage.redis.url.removeprefix("redis+unix://")),
        "GATEWAY_LIMIT_CALLERS": "1000000/minute",
        "GATEWAY_RPC_TIMEOUT": str(RPC_SECONDS),
        "WEBHOOK_PRIVATE_TARGETS": "on",
    }
    through("client-gateway", product.front)
    endpoint = through("service-receiver", stage.receiver.url.split("/")[2])
    if stage.postgres is not None:
        environment["WORKERS"] = str(WORKERS)
    for service in SERVICES:
        url = create_store(stage, service, templates)
        set_endpoint(service, url, f"http://{endpoint}/{service}")
        stage.stores[service] = url
        addresses = [product.addresses[f"{service.upper()}_LISTEN"]]
        if stage.postgres is not None:
            name = through(f"service-database {service}", stage.postgres.socket)
            url = stage.postgres.build_url(service, name)
            addresses = list_sockets(service, product.folder, WORKERS)
        environment[f"{service.upper()}_DATABASE_URL"] = url
        environment[f"GATEWAY_{service.upper()}_ADDR"] = ",".join(
            through(f"gateway-service {service} {number}", each.removeprefix(UNIX))
            for number, each in enumerate(addresses, 1)
        )
    return environment


def create_store(stage: Stage, service: str, templates: Callable[[str, str], str]) -> str:
    """Create a store on the small disk, with the demo data; returns its URL."""
    if stage.postgres is None:
        shutil.copy(templates(service, "sqlite"), stage.disk / f"{service}.db")
        return f"sqlite:///{stage.disk}/{service}.db"
    url = postgres.create_database(stage.postgres.url, service)
    load_demo(service, url, ROOT / "demo")
    return url


def set_endpoint(service: str, store: str, url: str) -> None:
    """Have every event of the demo's client sent to an address."""
    outbox = get_definition(service).outbox
    database = Database(store)
    with database.write() as tx:
        outbox.endpoints.put(tx, OWNERS[service], build_endpoint(service, url), utc_now())
    database.close()


def build_endpoint(service: str, url: str) -> dict[str, object]:
    """An endpoint for events of every type, as JSON."""
    events = None
    if service == "subscriptions":
        from subscriptions_svc.documents.events import EVENT_TYPES

        events = list(EVENT_TYPES)
    return {"url": url, "headers": {}, "events": events, "secret": None, "format": "json"}

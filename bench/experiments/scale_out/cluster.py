"""Processes of each service on addresses of one name, and two gateways that look it up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.experiments.contenders import (
    GATEWAY,
    PROCFILE,
    SERVICES,
    Stores,
    run_in_shell,
)
from bench.experiments.launcher import (
    Contender,
    Process,
    find_free_address,
    format_address,
    run_contender,
    run_contenders,
)
from bench.experiments.scale_out.bouncer import route_through
from bench.experiments.scale_out.names import NameServer
from bench.load.sockets import Address
from demo.procfile import read_procfile

GATEWAYS = 2
DOMAIN = "optigate.test"
# The gateway looks names up by the resolver of its event loop, which these point at our server.
RESOLVER = {"GEVENT_RESOLVER": "ares", "GEVENTARES_SERVERS": "127.0.0.1", "GEVENTARES_TRIES": "2"}


@dataclass
class Cluster:
    """Stores behind PgBouncer, and where each service listens."""

    stores: Stores
    bouncer: Path
    names: NameServer
    dispatchers: int  # how many processes of each service deliver events
    urls: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for service in SERVICES:
            self.urls[service] = self.stores.service_store(service)
            self.ports[service] = find_free_address()[1]

    def find_address(self, service: str, number: int) -> Address:
        """Return where the process of this number listens: all have one port."""
        return f"127.0.{SERVICES.index(service) + 1}.{number}", self.ports[service]

    def build_replica(self, service: str, number: int) -> Process:
        """Return a process of a service."""
        prefix = service.upper()
        env = {
            f"{prefix}_LISTEN": format_address(self.find_address(service, number)),
            f"{prefix}_DATABASE_URL": route_through(self.urls[service], self.bouncer),
            "DATABASE_PREPARE": "off",
            "DISPATCHER": "on" if number <= self.dispatchers else "off",
            "WEBHOOK_PRIVATE_TARGETS": "on",
        }
        return run_in_shell(f"{service} {number}", read_procfile(PROCFILE)[service], env)

    def build_gateway(self, number: int, address: Address) -> Process:
        """Return a gateway, which knows the services by their names."""
        port = str(self.names.port)
        env = {
            **RESOLVER,
            "GEVENTARES_UDP_PORT": port,
            "GEVENTARES_TCP_PORT": port,
            "GATEWAY_BIND": format_address(address),
            "GATEWAY_PUBLIC_URL": f"http://{format_address(address)}",
            "GRPC_PLAINTEXT": "allow",
        }
        for service in SERVICES:
            target = f"{service}.{DOMAIN}:{self.ports[service]}"
            env[f"GATEWAY_{service.upper()}_ADDR"] = target
        return run_in_shell(f"{GATEWAY} {number}", read_procfile(PROCFILE)[GATEWAY], env)

    def announce(self, service: str, *numbers: int) -> None:
        """Have the name of a service stand for these processes."""
        found = [self.find_address(service, each)[0] for each in numbers]
        self.names.addresses[f"{service}.{DOMAIN}"] = found

    @contextmanager
    def run(self, replicas: int) -> Iterator[tuple[list[Address], dict[str, int]]]:
        """Yield where the gateways are, and every process by name, once all of it serves."""
        numbers = range(1, replicas + 1)
        listen = {
            f"{service} {number}": self.find_address(service, number)
            for service in SERVICES
            for number in numbers
        }
        services = tuple(self.build_replica(each, no) for each in SERVICES for no in numbers)
        for service in SERVICES:
            self.announce(service, *numbers)
        addresses = [find_free_address() for _ in range(GATEWAYS)]
        backs = Contender(f"services x {replicas}", "postgresql", services, grpc=listen)
        fronts = [
            Contender(
                f"gateway {number} x {replicas}",
                "postgresql",
                (self.build_gateway(number, address),),
                address,
                "/readyz",
            )
            for number, address in enumerate(addresses, 1)
        ]
        with run_contenders([backs, *fronts], self.stores.folder) as started:
            roots = {name: pid for of in started for name, pid in of.items()}
            yield addresses, roots

    @contextmanager
    def run_another(self, service: str, number: int) -> Iterator[Path]:
        """Yield the log of one more process of a service, once it listens."""
        listen = {service: self.find_address(service, number)}
        alone = Contender(
            "another",
            "postgresql",
            (self.build_replica(service, number),),
            grpc=listen,
        )
        with run_contender(alone, self.stores.folder):
            yield self.stores.folder / f"another-{service}-{number}.log"

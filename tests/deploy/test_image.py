"""The image, and the containers of compose.yaml, as processes: no engine is needed, and none runs.

They run in what the Containerfile builds, as its user, with the commands, environments, health
checks and order of compose.yaml; addresses and the root of paths are this test's.
"""

import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis import Redis
from ruamel.yaml import YAML

from tests import postgres
from tests.chaos.product import wait_for
from tests.deploy.composition import interpolate, read_services
from tests.deploy.image import OWNER, ROOT, Image, build
from tests.ports import find_free_port
from tests.serving import SERVICES

PASSWORD = "three-Wombats-ask"
PORTS = {"sessions": 50051, "orders": 50052, "subscriptions": 50053, "gateway": 8080}
WORKER_PORT = 50061
STOP_SECONDS = 60
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    folder = Path(tempfile.mkdtemp(prefix="optigate-image-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield build(folder)
    finally:
        shutil.rmtree(folder)


@dataclass
class Composition:
    """Containers of compose.yaml, as processes of an image."""

    image: Image
    folder: Path
    variables: dict[str, str]
    database_port: int
    redis_port: int = 0
    ports: dict[str, int] = field(
        default_factory=lambda: {each: find_free_port() for each in PORTS}
    )
    workers: dict[str, int] = field(
        default_factory=lambda: {each: find_free_port(2) for each in SERVICES}
    )
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def map(self, value: Any, name: str) -> Any:
        """A value of the file with addresses and paths as they are here."""
        if isinstance(value, dict):
            return {key: self.map(each, name) for key, each in value.items()}
        if isinstance(value, list):
            return [self.map(each, name) for each in value]
        if not isinstance(value, str):
            return value
        for each, port in PORTS.items():
            value = value.replace(f"{each}:{port}", f"localhost:{self.ports[each]}")
            value = value.replace(f"0.0.0.0:{port}", f"0.0.0.0:{self.ports[each]}")
        for each, first in self.workers.items():
            for number in range(2):
                value = value.replace(
                    f"{each}:{WORKER_PORT + number}", f"localhost:{first + number}"
                )
        if name in self.workers:
            value = value.replace(f"0.0.0.0:{WORKER_PORT}", f"0.0.0.0:{self.workers[name]}")
        value = re.sub(r"@(postgres|pgbouncer)/", f"@127.0.0.1:{self.database_port}/", value)
        value = value.replace("redis:6379", f"127.0.0.1:{self.redis_port}")
        return self.image.map(value)

    def describe(self, name: str) -> tuple[list[str], dict[str, Any]]:
        """The words and the environment of a container."""
        service = self.map(interpolate(read_services()[name], self.variables), name)
        assert service["image"] == "optigate"
        assert service["read_only"]
        entrypoint = service.get("entrypoint", self.image.words["ENTRYPOINT"])
        if name in self.workers:
            # What is one folder of each container is another for each here.
            data = self.folder / name
            data.mkdir(mode=0o700, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(data, OWNER, OWNER)
            service["environment"]["DATA_DIR"] = str(data)
        own = {key: self.map(each, name) for key, each in self.image.environment.items()}
        return [*entrypoint, *service["command"]], {**own, **service.get("environment", {})}

    def run_job(self, name: str) -> str:
        """Run a job to its end; returns what it printed."""
        words, environment = self.describe(name)
        done = self.image.run(words, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *names: str) -> None:
        """Start containers, and wait until each is healthy by its own check."""
        described = {name: self.describe(name) for name in names}
        for name, (words, environment) in described.items():
            with (self.folder / f"{name}.log").open("wb") as log:
                self.processes[name] = subprocess.Popen(
                    words, **self.image.options(environment), stdout=log, stderr=subprocess.STDOUT
                )
        for name, (_, environment) in described.items():
            self._wait_for(name, environment)

    def _wait_for(self, name: str, environment: dict[str, str]) -> None:
        check = read_services()[name]["healthcheck"]["test"]
        assert check[:2] == ["CMD", "optigate"]

        def is_healthy() -> bool:
            assert self.processes[name].poll() is None, self.read_log(name)
            if not is_open(self.ports[name]):
                return False
            return self.image.run(check[1:], **environment).returncode == 0

        wait_for(is_healthy, f"{name}: {self.read_log(name)}")

    def read_log(self, name: str) -> str:
        """What a container has printed."""
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def stop(self) -> None:
        """Stop the gateway, then the services at once; each must end by itself."""
        for names in (["gateway"], SERVICES):
            stopping = {name: self.processes[name] for name in names if name in self.processes}
            for process in stopping.values():
                process.terminate()
            for name, process in stopping.items():
                try:
                    assert process.wait(STOP_SECONDS) == 0, self.read_log(name)
                finally:
                    process.kill()


@contextmanager
def run_postgres() -> Iterator[int]:
    """The container postgres: its user and what its script creates; yields the port."""
    folder, port = Path(tempfile.mkdtemp(dir="/tmp")), find_free_port()
    settings = postgres.SETTINGS | {"listen_addresses": "'127.0.0.1'", "port": str(port)}
    _url, stop = postgres.launch(postgres.find_binaries(folder), folder, settings)
    try:
        content = YAML(typ="safe").load(ROOT / "compose.yaml")["configs"]["databases"]["content"]
        script = ["CREATE ROLE optigate SUPERUSER LOGIN", *filter(str.strip, content.split(";"))]
        address = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            for statement in script:
                connection.execute(statement.encode())
        yield port
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def run_pgbouncer(database_port: int) -> Iterator[int]:
    """The container pgbouncer, by Debian's program and the file that the container reads."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "Install PgBouncer for this test: apt-get install pgbouncer"
    folder, port = Path(tempfile.mkdtemp(dir="/tmp")), find_free_port()
    text = (ROOT / "deploy" / "pgbouncer" / "pgbouncer.ini").read_text()
    for ours, here in (
        ("host=postgres port=5432", f"host=127.0.0.1 port={database_port}"),
        ("listen_port = 5432", f"listen_port = {port}"),
        ("listen_addr = 0.0.0.0", "listen_addr = 127.0.0.1"),
        ("/etc/pgbouncer/", f"{folder}/"),
    ):
        assert ours in text
        text = text.replace(ours, here)
    (folder / "pgbouncer.ini").write_text(text)
    (folder / "userlist.txt").write_text(f'"optigate" "{PASSWORD}"\n')
    process = subprocess.Popen(
        [program, "-q", str(folder / "pgbouncer.ini")],
        **postgres.leave_root(folder),
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: is_open(port), "pgbouncer")
        yield port
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        shutil.rmtree(folder)


@contextmanager
def run_redis() -> Iterator[int]:
    """The container redis, by Debian's program with the container's options; yields the port."""
    program = shutil.which("redis-server")
    assert program, "Install Redis for this test: apt-get install redis-server"
    port, words = find_free_port(), read_services()["redis"]["command"]
    process = subprocess.Popen(
        [program, *words[1:], "--bind", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: is_open(port), "redis")
        yield port
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def is_open(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_image_has_nothing_that_its_user_may_change(image: Image) -> None:
    places = image.run(["find", str(image.root), "-writable", "-not", "-type", "l"])
    folders = ("", "/authority", "/gateway", "/orders", "/sessions", "/subscriptions")
    expected = {image.find(path) for path in ("/data", "/secrets", *(f"/tls{x}" for x in folders))}
    writable = {Path(line) for line in places.stdout.splitlines()}
    # Of a volume only itself: another test may have filled it.
    outside = {each for each in writable if not any(above in expected for above in each.parents)}
    if os.geteuid() == 0:
        assert outside | (writable & expected) == expected
    assert {stat.S_IMODE(each.stat().st_mode) for each in expected} == {0o700}
    assert image.user == OWNER
    assert {path.name for path in image.root.iterdir()} == {"data", "opt", "secrets", "tls", "usr"}
    (packages,) = image.find("/opt/optigate/lib").glob("python*/site-packages")
    assert not list(packages.glob("pip*")) + list(packages.glob("setuptools*"))
    assert image.run(["optigate", "--version"]).stdout.startswith("optigate ")
    where = image.run(["python", "-c", "import protos, redis, gateway; print(gateway.__file__)"])
    assert where.stdout.startswith(str(packages)), where.stderr


def test_its_health_check_fails_where_nothing_listens(image: Image) -> None:
    port = find_free_port()
    for command in (["gateway", "health"], ["orders", "health"]):
        done = image.run(
            ["optigate", *command], GATEWAY_BIND=f"0.0.0.0:{port}", LISTEN=f"127.0.0.1:{port}"
        )
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ")
    assert image.words["HEALTHCHECK"] == ["optigate", "gateway", "health"]
    assert (image.words["ENTRYPOINT"], image.words["CMD"]) == (["optigate"], ["gateway"])


@pytest.mark.parametrize("profiles", [(), ("pgbouncer", "redis")], ids=["default", "profiles"])
def test_compose_ends_with_calls_that_work(
    image: Image, profiles: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        folder.chmod(0o755)
        port = running.enter_context(run_postgres())
        variables = {"POSTGRES_PASSWORD": PASSWORD, "GATEWAY_PUBLIC_URL": "http://gateway:8080"}
        if profiles:
            variables |= {
                "DATABASE_HOST": "pgbouncer",
                "DATABASE_PREPARE": "off",
                "GATEWAY_LIMIT_STORE": "redis://redis:6379",
                "WORKERS": "2",
                **{
                    f"GATEWAY_{each.upper()}_ADDR": f"{each}:50061,{each}:50062"
                    for each in SERVICES
                },
            }
        composed = Composition(image, folder, variables, port)
        composed.run_job("certificates")
        composed.run_job("prepare")
        if not profiles:  # as a second `up` does
            assert "all are valid" in composed.run_job("certificates")
            assert composed.run_job("prepare").count("is there") == len(SERVICES)
        if profiles:
            composed.database_port = running.enter_context(run_pgbouncer(port))
            composed.redis_port = running.enter_context(run_redis())
        running.callback(composed.stop)
        composed.start(*SERVICES)
        composed.start("gateway")
        printed = composed.run_job("welcome")
        for call in (line for line in printed.splitlines() if "curl" in line):
            done = subprocess.run(["sh", "-c", call.replace("curl", "curl -sSf")],
                                  capture_output=True, text=True, timeout=60)  # fmt: skip
            assert done.returncode == 0, (call, done.stderr)
            assert "token" in done.stdout if "token" in call else "first-" in done.stdout
        assert printed.count("curl -u first-") == len(SERVICES)
        for name in SERVICES:
            check_certificates(composed, name)
            assert is_open(composed.workers[name] + 1) is bool(profiles)
        if profiles:
            with Redis(port=composed.redis_port) as store:
                assert store.dbsize()
        shutil.rmtree(image.find("/secrets"))
        image.find("/secrets").mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(image.find("/secrets"), OWNER, OWNER)


def check_certificates(composed: Composition, name: str) -> None:
    """A service speaks TLS with clients of its authority alone, by its own name, and its key is
    nobody else's."""
    folder, address = composed.image.find(f"/tls/{name}"), f"localhost:{composed.ports[name]}"
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    if os.geteuid() == 0:
        assert (folder / "key.pem").stat().st_uid == OWNER
    certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert name in names.get_values_for_type(x509.DNSName)
    trusted = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes())
    for channel in (grpc.insecure_channel(address), grpc.secure_channel(address, trusted)):
        with channel, pytest.raises(grpc.RpcError) as refused:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE

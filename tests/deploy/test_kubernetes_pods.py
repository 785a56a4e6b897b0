"""Processes here with the commands and the environment of pods: in production, by TLS."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import postgres
from tests.certificates import Files
from tests.chaos.product import wait_for
from tests.deploy.kustomize import ROOT, Resource
from tests.deploy.test_kubernetes import find, get_main, read_variables
from tests.ports import find_free_address
from tests.serving import SERVICES

TLS = {"tls.crt": "server-cert.pem", "tls.key": "server-key.pem", "ca.crt": "ca.pem"}


class Pods:
    """Runs containers as processes, with addresses and files of this machine."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.bind = find_free_address()
        self.services = {f"GATEWAY_{name.upper()}_ADDR": find_free_address() for name in SERVICES}
        (folder / "database-url").write_text(url)
        keys = folder / "encryption-keys"
        keys.write_text(f"2026-11 {b64encode(bytes(32)).decode()}\n")
        keys.chmod(0o400)
        Files(folder / "tls")

    def start(self, container: Resource, **own: str) -> subprocess.Popen[bytes]:
        """Start the process of a container."""
        variables = {
            name: self.localize(value) for name, value in read_variables(container).items()
        }
        variables.pop("GATEWAY_LIMIT_STORE", None)  # of ha: no Redis is here
        environment = {**os.environ, **variables, **own, "LOG_DIR": str(self.folder / "logs")}
        words = [sys.executable, "-m", *container["command"]]
        return subprocess.Popen(words, cwd=ROOT, env=environment)

    def localize(self, value: str) -> str:
        """A value of a variable, with files of this machine."""
        folder, _, file = value.rpartition("/")
        if folder == "/run/secrets/tls":
            return str(self.folder / "tls" / TLS[file])
        is_ours = folder in ("/run/secrets/optigate", "/run/keys", "/tmp")
        return str(self.folder / file) if is_ours else value

    @contextmanager
    def serve(self, *names: str) -> Iterator[dict[str, str]]:
        """Run the pods of Deployments until the end of the block; yields the address of probes of
        each."""
        metrics = {name: find_free_address() for name in names}
        own = {"LISTEN": self.services["GATEWAY_ORDERS_ADDR"], "GATEWAY_BIND": self.bind}
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for name, address in metrics.items():
                main = get_main(find("Deployment")[name])
                processes.append(self.start(main, METRICS_LISTEN=address, **own, **self.services))
            yield metrics
        finally:
            for process in processes:
                process.terminate()
            ended = [process.wait(60) for process in processes]
        assert ended == [0] * len(names)


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Pods]:
    """Pods with an empty database."""
    server, name = os.environ["TEST_POSTGRES_URL"], f"pods_{uuid.uuid4().hex[:8]}"
    yield Pods(tmp_path, postgres.create_database(server, name))
    postgres.drop_database(server, name)


def ask(url: str) -> tuple[int, str]:
    """Status and body of an answer; 0 for none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def is_well(url: str) -> bool:
    """Whether a probe succeeds."""
    return ask(url)[0] == 200


def test_a_job_migrates_and_pods_become_ready(pods: Pods) -> None:
    with pods.start(get_main(find("Job")["orders-migrate"])) as job:
        assert job.wait(120) == 0
    with pods.serve("orders", "orders-dispatcher", "gateway") as addresses:
        for name, address in addresses.items():
            main = get_main(find("Deployment")[name])
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                url = f"http://{address}{main[probe]['httpGet']['path']}"
                wait_for(lambda url=url: is_well(url), url)  # type: ignore[misc]
        status, body = ask(f"http://{pods.bind}/readyz")  # the two others do not run here
        assert (status, json.loads(body)["services"]["orders"]) == (503, "ok")
    with pods.start(get_main(find("CronJob")["orders-retain"]), RETAIN_ORDERS="365d") as job:
        assert job.wait(120) == 0

"""A restore drill: backups under load, everything killed, restored, and nothing is missing.

What had been acknowledged before a backup was begun is in it, on both engines. The lines for
PostgreSQL are those of docs/operate.md.
"""

import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests import postgres
from tests.chaos.product import ROOT, WRITES, Load, Product, has_ended, keep_running, wait_for

Templates = Callable[[str, str], str]
READS = {
    "sessions": ("/api/v2/partners/sessions?user_key=user1&session_key={}", "session_key"),
    "orders": ("/v1/orders/{}", "id"),
    "subscriptions": ("/api/public/v1/subscriptions/{}", "id"),
}
DOCUMENTED = "postgresql://optigate@db/"


def run(product: Product, service: str, *words: str) -> str:
    """Run a command of a service on the product's store."""
    url = product.environment.get(f"{service.upper()}_DATABASE_URL")
    more = {"DATABASE_URL": url} if url else {}
    done = subprocess.run(
        [sys.executable, "-m", f"{service}_svc", *words],
        cwd=ROOT,
        env={**product.environment, **more},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_lines() -> list[str]:
    """The documented lines: dump, create, restore, migrate."""
    text = (ROOT / "docs" / "operate.md").read_text()
    block = re.search(r"On PostgreSQL these are the lines.*?```sh\n(.*?)```", text, re.DOTALL)
    assert block
    lines = block[1].splitlines()
    assert [re.sub(r"^\S+=\S+ ", "", line).split()[0] for line in lines] == [
        "pg_dump",
        "createdb",
        "pg_restore",
        "python",
    ]
    return lines


def run_line(line: str, service: str, names: dict[str, str], folder: Path) -> None:
    """Run a documented line with another service, server and databases."""
    server = make_url(os.environ["TEST_POSTGRES_URL"])

    def write_url(found: re.Match[str]) -> str:
        url = server.set(drivername=found[1], database=names[found[2]])
        return shlex.quote(url.render_as_string(hide_password=False))

    line = re.sub(r"(postgresql(?:\+psycopg)?)://optigate@db/(\w+)", write_url, line)
    line = line.replace("orders_svc", f"{service}_svc")
    line = re.sub(r"\borders_restored$", shlex.quote(names["orders_restored"]), line)
    path = f"{postgres.find_tools()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def list_acknowledged(load: Load) -> dict[str, list[str]]:
    """The ids of all that has been acknowledged until now, by API."""
    return {
        service: [answer.json()[READS[service][1]] for answer in list(answers)]
        for service, answers in load.answers.items()
    }


def check_all(product: Product, acknowledged: dict[str, list[str]]) -> None:
    """Read all that was acknowledged, and write anew."""
    for service, ids in acknowledged.items():
        assert len(ids) >= 10
        for each in ids:
            path = READS[service][0].format(each)
            found = product.ask("GET", path, None, **product.credentials(service))
            assert found.status == 200, (service, each, found.body)
    product.number += 1_000_000  # keys that were acknowledged after the backup are free again
    for service in WRITES:
        assert product.write(service).status == 201


def kill_under_load(product: Product, load: Load) -> None:
    """Kill every process with SIGKILL while callers write."""
    load.wait_for_more()
    pids = product.pids()
    for pid in [product.process.pid, *pids]:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue
    load.stop()
    wait_for(lambda: all(map(has_ended, pids)), "something goes on")


def test_a_restored_sqlite_product_has_all_that_was_acknowledged(
    tmp_path: Path, templates: Templates
) -> None:
    folder, kept = tmp_path / "data", tmp_path / "kept"
    folder.mkdir(mode=0o700)
    with keep_running(Product.prepare(folder, templates)) as product:
        load = Load(product, tuple(WRITES))
        load.wait_for_more()
        acknowledged: dict[str, list[str]] = {}
        for service in WRITES:
            acknowledged[service] = list_acknowledged(load)[service]
            assert "checked" in run(product, service, "backup", str(kept / f"{service}.backup"))
        kill_under_load(product, load)
    for service in WRITES:
        assert "checked" in run(
            product, service, "restore", str(kept / f"{service}.backup"), "--replace"
        )
    with keep_running(product):
        check_all(product, acknowledged)


@pytest.fixture
def databases(templates: Templates) -> Iterator[dict[str, str]]:
    """The names of a database of each service, and of one to restore it into."""
    server, mark = os.environ["TEST_POSTGRES_URL"], uuid.uuid4().hex[:8]
    names = {}
    for service in WRITES:
        names[service] = f"drill_{service}_{mark}"
        names[f"{service}_restored"] = f"drill_{service}_restored_{mark}"
        postgres.create_database(server, names[service], templates(service, "postgresql"))
    yield names
    for name in names.values():
        postgres.drop_database(server, name)


def build_urls(names: dict[str, str], suffix: str = "") -> dict[str, str]:
    """The variables that say where each service's database is."""
    server = make_url(os.environ["TEST_POSTGRES_URL"])
    return {
        f"{service.upper()}_DATABASE_URL": server.set(
            database=names[f"{service}{suffix}"]
        ).render_as_string(hide_password=False)
        for service in WRITES
    }


def test_a_restored_postgresql_product_has_all_that_was_acknowledged(
    tmp_path: Path, templates: Templates, databases: dict[str, str]
) -> None:
    dump, *rest = read_lines()
    folder, kept = tmp_path / "data", tmp_path / "kept"
    folder.mkdir(mode=0o700)
    names = {
        service: {
            "orders": databases[service],
            "orders_restored": databases[f"{service}_restored"],
            "postgres": "postgres",
        }
        for service in WRITES
    }
    with keep_running(Product.prepare(folder, templates, **build_urls(databases))) as product:
        load = Load(product, tuple(WRITES))
        load.wait_for_more()
        acknowledged: dict[str, list[str]] = {}
        for service in WRITES:
            acknowledged[service] = list_acknowledged(load)[service]
            (kept / service).mkdir(parents=True)
            run_line(dump, service, names[service], kept / service)
        kill_under_load(product, load)
    for service in WRITES:
        for line in rest:
            run_line(line, service, names[service], kept / service)
    product.environment.update(build_urls(databases, "_restored"))
    with keep_running(product):
        check_all(product, acknowledged)

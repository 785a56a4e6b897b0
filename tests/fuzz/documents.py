"""Schemathesis over the OpenAPI documents: a gateway with its services, tried in every phase.

`run_gateway` starts what is tried, with the data that the stories of openapi/examples leave;
`try_document` runs all phases over one API and returns what was found.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from chassis.store.database import Database
from gateway import create_app
from gateway.rates import policies
from tests.openapi.stories import run_story
from tests.serving import PEOPLE, SERVICES, USERS, load_demo, serve

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "gateway" / "openapi"
PATIENCE_SECONDS = 60.0
EXAMPLES = 100  # of the long form, for each call of each API
RUN_SECONDS = 3600  # a run of schemathesis takes minutes
LISTENING = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")
# Checks that do not apply; every other one of schemathesis is made.
EXCLUDED_CHECKS = {
    "positive_data_acceptance": "what the rules say of several fields together, of dates and of "
    "what is in the store, no schema can: an order that fits the schema may be refused",
    "object_level_authorization": "it wants two identities that can log in; the tests of tenants "
    "walk every route with another tenant's ids",
}
CONFIG = f"""
hooks = "{Path(__file__).parent / "hooks.py"}"

[cache]
enabled = false

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "404", "405", "409", "412", "413", "415", "422", "428"]

[checks.missing_required_header]
expected-statuses = ["400", "401", "415", "422", "428"]

"""


@dataclass(frozen=True)
class Gateway:
    """A running gateway, and the token of a client of orders."""

    url: str
    token: str


@dataclass(frozen=True)
class Outcome:
    """What a run of schemathesis has found."""

    cases: int
    links: int  # of the document, followed at least once
    is_clean: bool
    report: str


@contextmanager
def run_gateway(folder: Path) -> Iterator[Gateway]:
    """Start the gateway under gunicorn, and its services on stores with the stories' data."""
    running = []
    try:
        for service in SERVICES:
            url = f"sqlite:///{folder / service}.db"
            load_demo(service, url, ROOT / "demo")
            running.append(serve(service, Database(url)))
        addresses = {each.name: each.address for each in running}
        app = create_app({f"{name.upper()}_ADDR": each for name, each in addresses.items()})
        http = app.test_client()
        for each in running:
            run_story(http, each)
        name = PEOPLE["orders"]["client"]
        made = http.post(
            "/v1/oauth/token", json={"client_id": name, "client_secret": f"{name}-secret"}
        )
        app.extensions["backends"].close()
        with run_front(folder, addresses) as url:
            yield Gateway(url, made.get_json()["token"])
    finally:
        for each in running:
            each.stop()


@contextmanager
def run_front(folder: Path, addresses: Mapping[str, str]) -> Iterator[str]:
    """Start gunicorn with the gateway's own settings and no limits, and yield its address."""
    output = folder / "gateway.log"
    environment = {
        **os.environ,
        **{policies.name_variable(name): policies.OFF for name in policies.DEFAULTS},
        **{f"GATEWAY_{name.upper()}_ADDR": each for name, each in addresses.items()},
    }
    with output.open("wb") as written:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0"),
                *("--config", "python:gateway.gunicorn_conf", "gateway:create_app()"),
            ],
            cwd=ROOT,
            env=environment,
            stdout=written,
            stderr=written,
        )
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := LISTENING.search(output.read_text())):
            assert time.monotonic() < end, output.read_text()
            assert process.poll() is None, output.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
            process.wait()


def try_document(
    gateway: Gateway, service: str, folder: Path, *, examples: int, seed: int
) -> Outcome:
    """Run all phases over one API: so many examples of each call and of each walk along links."""
    config, found = folder / f"{service}.toml", folder / f"{service}.json"
    config.write_text(write_config(gateway, service))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run"),
            *(DOCUMENTS / f"{service}.json", "--url", gateway.url),
            *("--max-examples", str(examples), "--seed", str(seed)),
            *("--generation-database", "none", "--no-shrink", "--continue-on-failure"),
            *("--exclude-checks", ",".join(EXCLUDED_CHECKS), "--no-color"),
            *("--report", "json", "--report-json-path", found),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    report = done.stdout + done.stderr
    told = json.loads(found.read_text()) if found.exists() else {"test_cases": {"generated": 0}}
    links = re.search(r"API Links:\s+(\d+) covered", report)
    return Outcome(
        told["test_cases"]["generated"], int(links[1]) if links else 0, not done.returncode, report
    )


def try_documents(folder: Path, cases: int) -> int:
    """Try all APIs in rounds, until so many cases were tried; returns 1 if one was a failure."""
    tried, is_clean = 0, True
    with run_gateway(folder) as gateway:
        for seed in count(1):
            for service in SERVICES:
                found = try_document(gateway, service, folder, examples=EXAMPLES, seed=seed)
                tried, is_clean = tried + found.cases, is_clean and found.is_clean
                if not found.is_clean:
                    print(found.report)
                ended = "no failure" if found.is_clean else "failures"
                ways = f"{found.cases:,} cases with seed {seed}, along {found.links} links"
                print(f"{service}: {ways}: {ended}", flush=True)
            if tried >= cases or not is_clean:
                print(f"documents: {tried:,} cases")
                return 0 if is_clean else 1
    raise AssertionError("unreachable")


def write_config(gateway: Gateway, service: str) -> str:
    """Return the settings of a run: who calls, and what counts as a refusal."""
    name = PEOPLE[service]["client"]
    basic = f'[auth.openapi.basic]\nusername = "{name}"\npassword = "{name}-secret"\n'
    if service != "orders":
        return CONFIG + basic
    bearer = f'[auth.openapi.bearer]\nbearer = "{gateway.token}"\n'
    return f'{CONFIG}{basic}{bearer}\n[parameters]\n"header.User-Email" = "{USERS["client"]}"\n'

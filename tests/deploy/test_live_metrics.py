"""Every process of a running product is scraped: what dashboards and alerts name is there, and no
word of a patient is."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import pytest
from ruamel.yaml import YAML

from tests.chaos.product import Product, run_product, wait_for
from tests.deploy.kustomize import render
from tests.deploy.rules import ROOT, find_promtool, list_rules
from tests.ports import find_free_address
from tests.serving import SERVICES, build_basic

CANARY, PHONE = "canaryzebra", "679959231"
NAME = re.compile(r"\b((?:optigate|process|python|go)_\w+)\b")
PERSON = {
    "order": {
        "patient": {
            "first_name": CANARY,
            "last_name": f"{CANARY}-sample",
            "email": f"{CANARY}@example.com",
            "phone_number": PHONE,
        },
        "special_instructions": CANARY,
        "shipping": {
            "name": CANARY,
            "address": {
                "line1": CANARY,
                "city": CANARY,
                "state": "NV",
                "postal_code": "89501",
            },
        },
    },
    "session": {
        "user_key": CANARY,
        "session_key": CANARY,
        "user": {
            "email": f"{CANARY}@example.com",
            "first_name": CANARY,
            "last_name": CANARY,
            "birthdate": "1988-01-01",
            "region": "IL",
        },
        "partner_info": {CANARY: CANARY},
    },
    "subscription": {
        "reference": CANARY,
        "operator_ref": f"{CANARY}@example.org",
        "given_names": CANARY,
        "surnames": CANARY,
        "mobile_phone": PHONE,
        "email": f"{CANARY}@example.com",
        "address": CANARY,
        "city": CANARY,
    },
}


@dataclass
class Scraped:
    """The processes that expose metrics, by job."""

    product: Product
    addresses: dict[str, str]

    def ask(self, job: str, path: str) -> str:
        """The body of an answer of a process."""
        with urlopen(f"http://{self.addresses[job]}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def scrape(self) -> dict[str, str]:
        """What each process exposes."""
        return {job: self.ask(job, "/metrics") for job in self.addresses}


@pytest.fixture(scope="module")
def scraped(
    tmp_path_factory: pytest.TempPathFactory, templates: Callable[[str, str], str]
) -> Iterator[Scraped]:
    """A product, a dispatcher of its own beside it, and calls of every kind."""
    folder = tmp_path_factory.mktemp("metrics")
    addresses = {name: find_free_address() for name in ("gateway", *SERVICES, "dispatcher")}
    environment = {f"{name.upper()}_METRICS_LISTEN": address for name, address in addresses.items()}
    environment["GATEWAY_LIMIT_CALLERS"] = "100000/minute"  # tests run without limits
    with run_product(folder, templates, **environment) as product:
        dispatcher = subprocess.Popen(
            [sys.executable, "-m", "orders_svc", "dispatch"],
            cwd=ROOT,
            env={
                **product.environment,
                "LOG_DIR": str(folder / "logs"),
                "METRICS_LISTEN": addresses["dispatcher"],
            },
        )
        try:
            found = Scraped(product, addresses)
            call_everything(product)
            for job in addresses:
                wait_for(lambda job=job: is_ready(found, job), f"{job} is not ready")  # type: ignore[misc]
            yield found
        finally:
            dispatcher.terminate()
            assert dispatcher.wait(60) == 0


def is_ready(found: Scraped, job: str) -> bool:
    try:
        return found.ask(job, "/readyz") == '{"status": "ok"}\n'
    except OSError:
        return False


def call_everything(product: Product) -> None:
    """Plant the canary wherever a caller may write; what is well-formed has to be taken."""
    paths = {
        "order": ("/v1/orders", "orders"),
        "session": ("/api/v2/partners/sessions", "sessions"),
        "subscription": ("/api/public/v1/subscriptions", "subscriptions"),
    }
    for name, (path, service) in paths.items():
        body = json.loads((ROOT / f"demo/{name}.json").read_text())
        own = product.credentials(service)
        taken = product.ask("POST", path, body | PERSON[name], idempotency_key=CANARY, **own)
        assert taken.status == 201, taken.body
        assert product.ask("POST", path, plant(body), **own).status in {400, 404, 422}
        for asked in (f"{path}/{CANARY}", f"{path}?q={CANARY}&{CANARY}=1", f"/{CANARY}/x"):
            product.ask("GET", asked, **own)
        product.ask(CANARY.upper(), path, **own)
        stranger = {"authorization": build_basic(CANARY), "user_email": f"{CANARY}@example.com"}
        product.ask("GET", path, x_request_id=CANARY, **stranger)


def plant(value: Any) -> Any:
    """A body in which every text is the canary."""
    if isinstance(value, dict):
        return {key: plant(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plant(each) for each in value]
    return CANARY if isinstance(value, str) else value


def list_names(texts: dict[str, str]) -> set[str]:
    """The names of samples that the processes have, or will have."""
    names = set()
    for text in texts.values():
        for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
            names.add(name)
            if kind == "histogram":
                names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def test_the_metrics_hold_no_word_of_a_patient(scraped: Scraped) -> None:
    for job, text in scraped.scrape().items():
        assert CANARY not in text.lower(), job
        assert PHONE not in text, job


def test_what_dashboards_and_alerts_name_is_there(scraped: Scraped) -> None:
    names = list_names(scraped.scrape())
    alerts = {name for rule in list_rules() for name in NAME.findall(rule["expr"])}
    assert len(alerts) >= 15
    assert alerts - names == set()
    dashboards = list((ROOT / "deploy/grafana").glob("*.json"))
    assert dashboards
    for path in dashboards:
        panels = json.loads(path.read_text())["panels"]
        queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
        shown = {name for query in queries for name in NAME.findall(query)}
        assert shown - names == set()
        ours = {name for name in names if name.startswith("optigate_")}
        bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in ours}
        assert {base for base in bases if not any(base in each for each in shown)} == set()


def test_what_the_autoscalers_ask_for_is_there(scraped: Scraped) -> None:
    texts = scraped.scrape()
    (rule,) = YAML(typ="safe").load((ROOT / "deploy/prometheus/adapter.yaml").read_text())["rules"]
    (pattern,) = re.findall(r'__name__=~"([^"]+)"', rule["seriesQuery"])
    asked = [
        (each["metadata"]["name"], metric["pods"]["metric"]["name"])
        for each in render("ha")
        if each["kind"] == "HorizontalPodAutoscaler"
        for metric in each["spec"]["metrics"]
        if metric["type"] == "Pods"
    ]
    assert {job for job, _ in asked} == {"gateway", *SERVICES}
    for job, name in asked:
        assert re.fullmatch(pattern, name)
        assert re.search(rf"^{name}(\{{.*\}})? [0-9]", texts[job], re.MULTILINE), (job, name)


def test_each_process_counts_what_was_asked_of_it(scraped: Scraped) -> None:
    texts = scraped.scrape()
    assert re.search(
        r'^optigate_http_requests_total\{method="POST",route="/v1/orders",status="201"\} [1-9]',
        texts["gateway"],
        re.MULTILINE,
    )
    for service, rpc in (
        ("orders", "OrderService/CreateOrder"),
        ("sessions", "SessionService/CreateSession"),
        ("subscriptions", "SubscriptionService/CreateSubscription"),
    ):
        pattern = (
            rf'^optigate_rpc_calls_total\{{code="OK",rpc="/optigate.{service}.v1.{rpc}"\}} [1-9]'
        )
        assert re.search(pattern, texts[service], re.MULTILINE)
    assert "optigate_rpc_calls_in_flight" not in texts["dispatcher"]
    assert "optigate_event_deliveries_in_flight 0.0" in texts["dispatcher"]
    for text in texts.values():
        assert "optigate_ready 1.0" in text
        assert len(text) < 500_000


def test_promtool_finds_no_fault_in_them(scraped: Scraped) -> None:
    for job, text in scraped.scrape().items():
        done = subprocess.run(
            [find_promtool(), "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), job

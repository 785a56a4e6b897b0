"""Traces of the real processes: they leave over HTTP to a collector, which stops nothing."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chassis.store.database import Database
from tests.chaos.product import Product, keep_running, wait_for
from tests.chassis.events.outboxes import Box
from tests.chassis.events.receiver import run_receiver
from tests.chassis.spans.collector import Collected, run_collector
from tests.chassis.spans.test_traces import INCOMING, PARENT, RPC, TRACE
from tests.gateway.real_front import gunicorn

ROOT = Path(__file__).parents[3]
ORDER = json.loads((ROOT / "demo" / "order.json").read_text())


def get_chain(spans: list[Collected], last: Collected) -> list[str]:
    """The services and names from the first span that we wrote to one."""
    by_id = {span.span_id: span for span in spans}
    chain: list[str] = []
    span: Collected | None = last
    while span is not None:
        chain.insert(0, f"{span.service}: {span.name}")
        span = by_id.get(span.parent_id)
    return chain


def test_one_trace_through_all_processes(
    tmp_path: Path, templates: Callable[[str, str], str]
) -> None:
    with run_collector() as collector, run_receiver() as receiver:
        product = Product.prepare(
            tmp_path,
            templates,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=shop",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
            OTEL_BSP_SCHEDULE_DELAY="100",
            WEBHOOK_PRIVATE_TARGETS="on",
        )
        store = Database(f"sqlite:///{tmp_path}/orders.db")
        Box(store).put("demo-client", url=receiver.url)
        store.close()
        with keep_running(product):
            body = {**ORDER, "patient": {"first_name": "Ada", "last_name": "Quark"}}
            headers = product.credentials("orders")
            headers |= {"traceparent": INCOMING, "tracestate": "vendor=opaque"}
            answer = product.ask("POST", "/v1/orders", body, **headers)
            assert answer.status == 201
            wait_for(lambda: receiver.received, "the event")
            delivered = "deliver order.submitted"
            wait_for(
                lambda: {"POST /v1/orders", delivered} <= {each.name for each in collector.spans},
                "the spans",
            )
            wait_for(lambda: len(collector.of_trace(TRACE)) >= 6, "the spans")
        spans = collector.of_trace(TRACE)
        (delivery,) = [each for each in spans if each.name == delivered]
        chain = get_chain(spans, delivery)
        assert chain[:3] == [
            "optigate-gateway: POST /v1/orders",
            f"optigate-gateway: {RPC}",
            f"optigate-orders: {RPC}",
        ]
        assert chain[-1] == f"optigate-orders: {delivered}"
        (root,) = [each for each in spans if each.parent_id == PARENT]
        assert (root.name, root.state) == ("POST /v1/orders", "vendor=opaque")
        assert root.attributes["optigate.request_id"] == answer.headers["x-request-id"]
        (received,) = receiver.received
        assert received.headers["traceparent"] == f"00-{TRACE}-{delivery.span_id}-01"
        assert all(each["x-tenant"] == "shop" for each in collector.headers)
        assert not [body for body in collector.bodies if b"Quark" in body or b"Ada" in body]
        for name in ("gateway", "orders"):
            assert f'"trace_id":"{TRACE}"' in product.log(name)


@pytest.mark.parametrize("trouble", ["hangs", "nobody", "unknown"])
def test_a_collector_in_trouble_stops_no_request(tmp_path: Path, trouble: str) -> None:
    with run_collector() as collector:
        collector.hangs = True
        url = {
            "hangs": collector.url,
            "nobody": "http://127.0.0.1:1",
            "unknown": "http://collector.invalid:4318",
        }[trouble]
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_BSP_MAX_QUEUE_SIZE": "64",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16",
        }
        if trouble != "hangs":  # which is left to our own bound of a stop
            environ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1"
        with gunicorn(tmp_path, environ=environ) as running:
            client = running.connect()
            assert running.get("/livez", client).status == 200
            if trouble == "hangs":
                wait_for(lambda: collector.headers, "an export")
            for _ in range(300):  # more than the queue has room for
                assert running.get("/livez", client).status == 200
            begun = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(60) == 0
            assert time.monotonic() - begun < 30
        assert "crash" not in running.lines()
        assert "Traceback" not in running.lines()


def test_a_stop_sends_what_waits(tmp_path: Path) -> None:
    with run_collector() as collector:
        environ = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
            "OTEL_SERVICE_NAME": "front",
        }
        with gunicorn(tmp_path, environ=environ) as running:
            assert running.get("/livez").status == 200
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(60) == 0
        assert [(each.service, each.name) for each in collector.spans] == [("front", "GET /livez")]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER must be one of otlp, none."),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf: traces leave over HTTP.",
        ),
    ],
)
def test_what_is_not_supported_is_a_sentence(
    tmp_path: Path, name: str, value: str, told: str, templates: Callable[[str, str], str]
) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "DATABASE_URL": f"sqlite:///{templates('orders', 'sqlite')}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        name: value,
    }
    commands = {
        "serve": ["-m", "orders_svc", "serve", "--listen", "127.0.0.1:0"],
        "dispatch": ["-m", "orders_svc", "dispatch"],
        "gateway": ["-c", "import gateway; gateway.create_app()"],
    }
    for words in commands.values():
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert re.sub("^Error: ", "", done.stderr) == f"{told}\n"

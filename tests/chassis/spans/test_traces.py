"""One trace from the HTTP request to the delivered event, by the SDK's in-memory exporter."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from chassis.spans import recording
from chassis.spans.start import start, stop
from orders_svc.definition import SERVICE
from protos.orders_pb2 import WhoAmIRequest
from tests.chassis.events.outboxes import Box
from tests.chassis.events.receiver import Receiver, answer_status, run_receiver
from tests.gateway.front import CALLER, front
from tests.serving import Served, open_database, serve

DEMO = Path(__file__).parents[3] / "demo"
RPC = "optigate.orders.v1.OrderService/CreateOrder"
GET_RPC = "optigate.orders.v1.OrderService/GetOrder"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INCOMING = f"00-{TRACE}-{PARENT}-01"
PATIENT = ("Ada", "Quark", "Lovelace")


@dataclass
class Traced:
    """A gateway and an orders service in this process, whose spans are kept."""

    served: Served
    client: Any
    exporter: InMemorySpanExporter
    receiver: Receiver

    def list_spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in the order of their ends."""
        return list(self.exporter.get_finished_spans())

    def create_order(self, **headers: str) -> Any:
        """Create an order of a patient."""
        body = json.loads((DEMO / "order.json").read_text())
        body["patient"] = {"first_name": PATIENT[0], "last_name": PATIENT[1]}
        return self.client.post("/v1/orders", json=body, headers={**CALLER["orders"], **headers})

    def deliver(self) -> None:
        """Deliver what is due."""
        courier = Courier(private=True)
        dispatcher = Dispatcher(self.served.database, SERVICE.outbox, courier)
        while dispatcher.dispatch_due():
            dispatcher.wait_until_idle()


@contextmanager
def trace(url: str, **environment: str) -> Iterator[Traced]:
    """Traces are on for the block, and their spans stay in this process."""
    exporter = InMemorySpanExporter()
    start("test", environment, SimpleSpanProcessor(exporter))
    served = serve("orders", open_database(url))
    try:
        with front(orders=served.address) as client, run_receiver() as receiver:
            Box(served.database).put("demo-client", url=receiver.url)
            exporter.clear()
            yield Traced(served, client, exporter, receiver)
    finally:
        stop()
        served.stop()


@pytest.fixture
def traced(store_url: Callable[[str, str], str], engine: str) -> Iterator[Traced]:
    """Everything with traces."""
    with trace(store_url("orders", engine)) as running:
        yield running


def name_chain(spans: list[ReadableSpan], last: ReadableSpan) -> list[str]:
    """The names from the root of a trace to a span."""
    by_id = {span.context.span_id: span for span in spans if span.context}
    names, span = [last.name], last
    while span.parent and span.parent.span_id in by_id:
        span = by_id[span.parent.span_id]
        names.insert(0, span.name)
    return names


def find(spans: list[ReadableSpan], name: str) -> ReadableSpan:
    """The only span of a name."""
    (found,) = [span for span in spans if span.name == name]
    return found


def get_trace_ids(spans: list[ReadableSpan]) -> set[str]:
    return {f"{span.context.trace_id:032x}" for span in spans if span.context}


def test_it_works(traced: Traced, engine: str) -> None:
    answer = traced.create_order(traceparent=INCOMING, tracestate="vendor=opaque")
    assert answer.status_code == 201
    traced.deliver()
    spans = traced.list_spans()
    assert get_trace_ids(spans) == {TRACE}
    insert = find(spans, "INSERT orders")
    assert name_chain(spans, insert) == ["POST /v1/orders", RPC, RPC, "transaction", insert.name]
    root = find(spans, "POST /v1/orders")
    assert root.parent
    assert f"{root.parent.span_id:016x}" == PARENT
    assert root.context
    assert root.context.trace_state.to_header() == "vendor=opaque"
    assert dict(root.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/orders",
        "http.response.status_code": 201,
        "url.scheme": "http",
        "optigate.request_id": answer.headers["X-Request-Id"],
    }
    client, server = sorted(
        (span for span in spans if span.name == RPC), key=lambda span: span.kind.name
    )
    assert (client.kind.name, server.kind.name) == ("CLIENT", "SERVER")
    assert server.context
    assert server.context.trace_state.to_header() == "vendor=opaque"
    assert (client.attributes or {})["rpc.grpc.status_code"] == 0
    assert (server.attributes or {})["optigate.account"] == "demo-client"
    assert (insert.attributes or {})["db.system.name"] == engine

    (received,) = traced.receiver.received
    delivery = find(spans, f"deliver {json.loads(received.body)['type']}")
    assert delivery.context
    assert received.headers["traceparent"] == f"00-{TRACE}-{delivery.context.span_id:016x}-01"
    assert (delivery.attributes or {})["http.response.status_code"] == 204
    assert (delivery.attributes or {})["optigate.outcome"] == "delivered"
    parent = delivery.parent
    assert parent
    assert parent.span_id in {span.context.span_id for span in spans if span.context}


def test_no_span_has_patient_data(traced: Traced) -> None:
    made = traced.create_order().get_json()
    assert traced.client.get(f"/v1/orders/{made['id']}?nonce=Babbage", headers=CALLER["orders"])
    assert traced.client.get("/nothing/Lovelace").status_code == 404
    refused = traced.client.post("/v1/orders", json={"patient": "Quark"}, headers=CALLER["orders"])
    assert refused.status_code == 400
    traced.receiver.answers = [answer_status(500)]
    traced.deliver()
    text = "".join(span.to_json() for span in traced.list_spans())
    assert "GET /v1/orders/<order_id>" in text
    for word in (*PATIENT, made["id"], "Babbage", "optician@example.com"):
        assert word not in text, word


def test_a_request_without_a_parent_begins_a_trace(traced: Traced) -> None:
    for malformed in ("", "00-zz-1-01", f"{INCOMING},{INCOMING}", "00-" + "0" * 32 + "-1-01"):
        assert traced.create_order(traceparent=malformed).status_code == 201
    roots = [span for span in traced.list_spans() if span.name == "POST /v1/orders"]
    assert [root.parent for root in roots] == [None] * 4
    assert len(get_trace_ids(traced.list_spans()) - {TRACE}) == 4


def test_a_direct_caller_continues_its_trace(traced: Traced) -> None:
    traced.served.call("WhoAmI", WhoAmIRequest(), traceparent=INCOMING)
    server = find(traced.list_spans(), "optigate.orders.v1.OrderService/WhoAmI")
    assert server.kind.name == "SERVER"
    assert server.parent
    assert f"{server.parent.span_id:016x}" == PARENT
    assert get_trace_ids([server]) == {TRACE}


def test_a_long_tracestate_is_dropped(traced: Traced) -> None:
    long = ",".join(f"v{number}={'x' * 200}" for number in range(30))
    assert traced.create_order(traceparent=INCOMING, tracestate=long).status_code == 201
    root = find(traced.list_spans(), "POST /v1/orders")
    assert root.context
    assert root.context.trace_state.to_header() == ""
    assert get_trace_ids([root]) == {TRACE}


def test_failures_are_marked_without_their_texts(traced: Traced) -> None:
    assert traced.client.get("/v1/orders/ord_0", headers=CALLER["orders"]).status_code == 404
    found = [span for span in traced.list_spans() if span.name == GET_RPC]
    assert {(span.kind.name, span.status.status_code.name) for span in found} == {
        ("CLIENT", "ERROR"),
        ("SERVER", "UNSET"),
    }
    assert {(span.attributes or {})["rpc.grpc.status_code"] for span in found} == {5}
    assert (find(traced.list_spans(), "GET /v1/orders/<order_id>")).status.status_code.name == (
        "UNSET"
    )
    assert all(span.status.description is None and not span.events for span in traced.list_spans())
    traced.served.running.stop(0)
    traced.exporter.clear()
    answer = traced.client.get("/v1/orders/ord_0", headers=CALLER["orders"])
    assert answer.status_code in (503, 504)
    root = find(traced.list_spans(), "GET /v1/orders/<order_id>")
    assert root.status.status_code.name == "ERROR"
    assert (root.attributes or {})["error.type"] == str(answer.status_code)


def test_a_failed_delivery_stays_in_its_trace(traced: Traced) -> None:
    traced.receiver.answers = [answer_status(500)]
    traced.create_order(traceparent=INCOMING)
    traced.deliver()
    (delivery,) = [each for each in traced.list_spans() if each.name.startswith("deliver ")]
    assert get_trace_ids([delivery]) == {TRACE}
    assert (delivery.attributes or {})["optigate.outcome"] == "retry"
    assert (delivery.attributes or {})["http.response.status_code"] == 500
    assert delivery.status.status_code.name == "ERROR"


def test_a_caller_who_is_not_sampled_leaves_no_span(traced: Traced) -> None:
    traced.create_order(traceparent=INCOMING[:-2] + "00")
    traced.deliver()
    assert traced.list_spans() == []
    (received,) = traced.receiver.received
    assert received.headers["traceparent"].startswith(f"00-{TRACE}-")
    assert received.headers["traceparent"].endswith("-00")


def test_the_environment_decides_on_samples(
    store_url: Callable[[str, str], str], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with trace(store_url("orders", engine)) as traced:
        assert traced.create_order(traceparent=INCOMING).status_code == 201
        assert traced.list_spans() == []


def test_propagation_can_be_off(store_url: Callable[[str, str], str], engine: str) -> None:
    with trace(store_url("orders", engine), OTEL_PROPAGATORS="none") as traced:
        assert traced.create_order(traceparent=INCOMING).status_code == 201
        traced.deliver()
        assert TRACE not in get_trace_ids(traced.list_spans())
        (received,) = traced.receiver.received
        assert "traceparent" not in received.headers


def test_work_without_a_request_is_silent(traced: Traced) -> None:
    traced.deliver()
    traced.served.database.check()
    assert traced.list_spans() == []
    assert recording.get_recorder() is not None


def test_without_traces_nothing_is_kept(store_url: Callable[[str, str], str], engine: str) -> None:
    assert recording.get_recorder() is None
    served = serve("orders", open_database(store_url("orders", engine)))
    with front(orders=served.address) as client, run_receiver() as receiver:
        Box(served.database).put("demo-client", url=receiver.url)
        body = json.loads((DEMO / "order.json").read_text())
        headers = {**CALLER["orders"], "traceparent": INCOMING}
        assert client.post("/v1/orders", json=body, headers=headers).status_code == 201
        assert [row.traceparent for row in Box(served.database).rows("demo-client")] == [None]
    served.stop()

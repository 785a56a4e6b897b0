"""A collector of OpenTelemetry: a real HTTP server on loopback that keeps the spans it gets."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

ATTRIBUTES = ("string_value", "int_value", "bool_value", "double_value")


@dataclass(frozen=True)
class Collected:
    """A span as it came."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    state: str
    attributes: dict[str, Any]


@dataclass
class Collector:
    """The received spans; while it `hangs`, none is acknowledged."""

    url: str = ""
    spans: list[Collected] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hangs: bool = False
    closing: threading.Event = field(default_factory=threading.Event)

    def of_trace(self, trace_id: str) -> list[Collected]:
        """The spans of a trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = [
                each.value.string_value
                for each in resource.resource.attributes
                if each.key == "service.name"
            ]
            self.spans.extend(
                Collected(
                    service,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.trace_state,
                    {each.key: _read(each.value) for each in span.attributes},
                )
                for scope in resource.scope_spans
                for span in scope.spans
            )


def _read(value: Any) -> Any:
    kind = value.WhichOneof("value")
    assert kind in ATTRIBUTES
    return getattr(value, kind)


class _Handler(BaseHTTPRequestHandler):
    collector: Collector
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.collector.headers.append({k.lower(): v for k, v in self.headers.items()})
        if self.collector.hangs:
            self.collector.closing.wait(60)
            self.close_connection = True
            return
        self.collector.take(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


@contextmanager
def run_collector() -> Iterator[Collector]:
    """A collector that listens."""
    collector = Collector()
    server = _Server(("127.0.0.1", 0), type("Own", (_Handler,), {"collector": collector}))
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()

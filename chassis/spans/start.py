"""Turns traces on where the standard OTEL_ variables ask for them, and off at the end.

The SDK itself reads OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_... and the other
OTEL_EXPORTER_OTLP_... variables.
"""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chassis.settings.version import find_version
from chassis.spans.recording import set_recorder

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
EXPORTERS = ("otlp", "none")
BATCH_VARIABLE, BATCH_SPANS = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 128
FLUSH_SECONDS = 5.0  # at a stop
NOT_INSTALLED = (
    "OTEL_... variables ask for traces, and OpenTelemetry is not installed: run"
    " `pip install 'optigate[otel]'`, or set OTEL_SDK_DISABLED=true."
)

_provider: "TracerProvider | None" = None


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether traces are asked for; raises ValueError for what is not supported."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if exporter not in ("", *EXPORTERS):
        raise ValueError(f"OTEL_TRACES_EXPORTER must be one of {', '.join(EXPORTERS)}.")
    if exporter == "none" or not (exporter or any(map(environment.get, ENDPOINTS))):
        return False
    for name in PROTOCOLS:
        if environment.get(name, PROTOCOL) not in ("", PROTOCOL):
            raise ValueError(f"{name} must be {PROTOCOL}: traces leave over HTTP.")
    return True


def start(
    service: str, environment: Mapping[str, str], processor: "SpanProcessor | None" = None
) -> None:
    """Turn traces on if they are asked for; raises ValueError for what is not supported.

    A `processor` takes the spans instead of the exporter, whatever is asked for.
    """
    global _provider
    if processor is None and not is_wanted(environment):
        return
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        from chassis.spans.recorder import Recorder

        processor = processor or _build_exporting(environment)
    except ImportError:
        raise ValueError(NOT_INSTALLED) from None
    stop()
    attributes = {"service.version": find_version()}
    named = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in named:
        attributes["service.name"] = f"optigate-{service}"
    _provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    _provider.add_span_processor(processor)
    propagators = environment.get("OTEL_PROPAGATORS") or "tracecontext"
    tracer = _provider.get_tracer("optigate", find_version())
    set_recorder(Recorder(tracer, propagates="tracecontext" in propagators.split(",")))


def stop() -> None:
    """Turn traces off, and send the spans that wait, for at most five seconds."""
    global _provider
    provider, _provider = _provider, None
    set_recorder(None)
    if provider is not None:
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)


def _build_exporting(environment: Mapping[str, str]) -> "SpanProcessor":
    """Return what sends spans in the background, over HTTP.

    Its thread is one of `threading`: in the gateway's worker a cooperative one, with gevent's
    sockets. Batches are small, since packing one keeps the worker's loop that long.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    is_set = bool(environment.get(BATCH_VARIABLE))
    return BatchSpanProcessor(
        OTLPSpanExporter(), max_export_batch_size=None if is_set else BATCH_SPANS
    )

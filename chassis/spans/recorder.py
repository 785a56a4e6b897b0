"""Makes spans with OpenTelemetry's API; loaded only where traces are on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import (
    SpanKind,
    StatusCode,
    Tracer,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.spans.recording import CLIENT, INTERNAL, SERVER

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
MAX_TRACESTATE_LENGTH = 512  # which W3C asks for; a longer one would fill the metadata of a call
KINDS = {INTERNAL: SpanKind.INTERNAL, SERVER: SpanKind.SERVER, CLIENT: SpanKind.CLIENT}
_PROPAGATOR = TraceContextTextMapPropagator()


class Span:
    """A span that has begun, and is the current one of its thread unless it is a leaf."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: ApiSpan, token: Token[Context] | None) -> None:
        self._span, self._token = span, token

    @property
    def trace_id(self) -> str:
        """The id of its trace, in hexadecimal digits."""
        return format_trace_id(self._span.get_span_context().trace_id)

    def note(self, attributes: Mapping[str, str | int | None]) -> None:
        """Set attributes; None is none."""
        for name, value in attributes.items():
            if value is not None:
                self._span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        """Mark it as failed, by the kind of the error and never by its text."""
        self._span.set_attribute("error.type", kind)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End it; the one around it is current again."""
        self._span.end()
        if self._token is not None:
            detach(self._token)
            self._token = None


class Recorder:
    """Begins spans, and tells other processes of the current one."""

    def __init__(self, tracer: Tracer, *, propagates: bool = True) -> None:
        """Without `propagates` traces neither come in nor go out."""
        self._tracer, self._propagates = tracer, propagates

    def begin(
        self,
        name: str,
        kind: str,
        attributes: Mapping[str, str | int],
        carrier: Mapping[str, str] | None = None,
    ) -> Span:
        """Begin a span below the current one, or below that of a `carrier`.

        It is the current one of this thread until it ends.
        """
        context = None if carrier is None else self._extract(carrier)
        span = self._tracer.start_span(name, context, KINDS[kind], attributes)
        return Span(span, attach(set_span_in_context(span)))

    def begin_leaf(self, name: str, attributes: Mapping[str, str | int]) -> Span | None:
        """Begin a client's span that none is below; None outside of a span that is recorded."""
        if not get_current_span().is_recording():
            return None
        return Span(self._tracer.start_span(name, None, SpanKind.CLIENT, attributes), None)

    @contextmanager
    def record(self, name: str) -> Iterator[None]:
        """Record the block as a span, inside of a span that is recorded."""
        if not get_current_span().is_recording():
            yield
            return
        span = self.begin(name, INTERNAL, {})
        try:
            yield
        except BaseException as error:
            span.fail(type(error).__qualname__)
            raise
        finally:
            span.end()

    def inject(self) -> dict[str, str]:
        """Return the headers that continue the current trace elsewhere."""
        headers: dict[str, str] = {}
        if self._propagates:
            _PROPAGATOR.inject(headers)
        return headers

    def _extract(self, carrier: Mapping[str, str]) -> Context:
        """Return the context of a carrier; one that is malformed or has none begins a trace."""
        if not self._propagates or not carrier.get(TRACEPARENT):
            return Context()
        headers = {TRACEPARENT: carrier[TRACEPARENT]}
        state = carrier.get(TRACESTATE, "")
        if 0 < len(state) <= MAX_TRACESTATE_LENGTH:
            headers[TRACESTATE] = state
        return _PROPAGATOR.extract(headers, Context())

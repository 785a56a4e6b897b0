"""What every route shares: reading the request, the answer, the request id and the log line."""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, cast

from flask import Flask, Response, g, request
from flask.globals import request_ctx
from google.protobuf.message import Message

from chassis.context import REQUEST_ID_PATTERN, generate_request_id
from chassis.errors import Fault, Invalid
from chassis.messages.explain import explain_unreadable
from chassis.messages.reader import M, Reader
from chassis.messages.writer import Writer
from chassis.telemetry import log
from gateway.answers.coding import VARIES
from gateway.answers.manners import READ_CACHING
from gateway.answers.validators import READ_METHODS
from gateway.bodies import check_type, read_body

ObserveRequest = Callable[[str | None, str, int, float], None]  # route, method, status, seconds
# In a WSGI environment: the HTTPException with which the server refuses the request.
REFUSAL = "gateway.refusal"
JSON = "application/json"
# What every answer to a read has besides; `gateway.answers.manners` adds them to other answers.
READ_HEADERS = [("Content-Type", JSON), ("Cache-Control", READ_CACHING), ("Vary", VARIES)]
FHIR_JSON = "application/fhir+json"
OPTIONAL = ("reason", "replayed")  # fields of the log line
COMPLETE = (200, 201)  # statuses whose body stands as it was written
# Browsers may render non-JSON answers: nothing in them may run or load anything.
FILE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}
# Over https browsers come back by https alone, for a year.
STRICT_TRANSPORT = "max-age=31536000"
DIFFERS = "Differs between the body and the query string."
FORWARDED_FOR = (
    "A request came with X-Forwarded-For, but GATEWAY_PROXIES is 0: if it came through a proxy of "
    "yours, everybody behind that counts as one address."
)


class JsonAnswer(Response):
    """An answer of an API, whose headers are complete; werkzeug would go through a copy of them."""

    def get_wsgi_response(self, environ: Any) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Return the body, the status line and the headers."""
        if self.status_code in COMPLETE and request_ctx.request.method != "HEAD":
            return cast(list[bytes], self.response), self.status, list(self.headers)
        return super().get_wsgi_response(environ)


def read(reader: Reader[M], *, ahead: Callable[[], None] | None = None, **path: str) -> M:
    """Return the message in the request's JSON body; an empty body has no fields.

    If the body is unreadable, `ahead` runs first: it raises for callers who may
    not learn what is wrong with it.
    """
    try:
        body = read_body()
        check_type(body)
        return parse(reader, body, **path)
    except Invalid:
        if ahead is not None:
            ahead()
        raise


def read_document(reader: Reader[M], *, ahead: Callable[[], None] | None = None) -> M:
    """Return the message whose field `document` is the request's body; `ahead` as for `read`."""
    body = read_body() or b"{}"
    try:
        return reader.read(b'{"document":' + body + b"}")
    except Invalid as refusal:
        if ahead is not None:
            ahead()
        if words := explain_unreadable(body):  # at its own line and column
            faults = [Fault("", words)]
            raise Invalid(refusal.message, reason=reader.reason, faults=faults) from None
        raise


def parse(reader: Reader[M], body: bytes, **path: str) -> M:
    """Return the message in a JSON body; an empty one has no fields."""
    return reader.read(body or b"{}", **path)


def read_query(reader: Reader[M], *, ahead: Callable[[], None] | None = None, **path: str) -> M:
    """Return the message in the request's query string; `ahead` as for `read`."""
    try:
        given = request.args.to_dict(flat=False) if request.query_string else {}
        return reader.read_query(given, **path)
    except Invalid:
        if ahead is not None:
            ahead()
        raise


def read_with_query(reader: Reader[M], *, ahead: Callable[[], None]) -> M:
    """Return the message in the body and the query string, for methods whose body may get lost.

    A field may stand in both, with one value. `ahead` as for `read`.
    """
    message, query = read(reader, ahead=ahead), read_query(reader, ahead=ahead)
    faults = [
        Fault(field.name, DIFFERS)
        for field, value in query.ListFields()
        if getattr(message, field.name) not in (field.default_value, value)
    ]
    if faults:
        ahead()
        raise Invalid("The request is malformed.", reason=reader.reason, faults=faults)
    message.MergeFrom(query)
    return message


def answer(
    status: int, writer: Writer, message: Message, *, location: str | None = None
) -> Response:
    """Return the message as JSON."""
    body = writer.write(message)
    if request_ctx.request.method in READ_METHODS:
        response = JsonAnswer(body, status, READ_HEADERS)
    else:
        response = JsonAnswer(body, status, content_type=JSON)
    if location:
        response.headers["Location"] = location
    if g.get("replayed"):
        response.headers["Idempotent-Replayed"] = "true"
    return response


def register(app: Flask) -> None:
    """Make the application assign an id to every request and log every answer."""
    warned = app.config["PROXIES"] > 0
    observe: ObserveRequest | None = app.extensions.get("observe_request")

    @app.before_request
    def begin_request() -> None:
        nonlocal warned
        headers, here = request.environ, g._get_current_object()
        received = headers.get("HTTP_X_REQUEST_ID", "")
        is_id = REQUEST_ID_PATTERN.fullmatch(received)
        here.request_id = received if is_id else generate_request_id()
        here.started = monotonic()
        if REFUSAL in headers:
            raise headers[REFUSAL]
        if not warned and "HTTP_X_FORWARDED_FOR" in headers:
            warned = True
            log().warning(FORWARDED_FOR)

    @app.after_request
    def log_answer(response: Response) -> Response:
        asked, here = request_ctx.request, g._get_current_object()
        request_id, rule, method = here.request_id, asked.url_rule, asked.method
        response.headers["X-Request-Id"] = request_id
        if asked.is_secure:
            response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
        route, seconds = rule.rule if rule else None, monotonic() - here.started
        optional = {name: value for name in OPTIONAL if (value := here.get(name))}
        if (span := here.get("span")) is not None:
            optional["trace_id"] = span.trace_id
        log().info(
            "request",
            request_id=request_id,
            method=method,
            route=route,
            status=response.status_code,
            ms=round(seconds * 1000, 1),
            **optional,
        )
        if observe is not None:
            observe(route, method, response.status_code, seconds)
        return response


def read_basic() -> tuple[str, str] | None:
    """Return the name and the secret of HTTP Basic; None where the header has none."""
    try:
        found = request.authorization
    except ValueError:  # werkzeug's, of base64 with letters beyond ASCII
        return None
    if found is None or found.type != "basic" or found.username is None:
        return None
    return found.username, found.password or ""

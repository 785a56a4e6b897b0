"""What every route shares: reading the request, the answer, the request id and the log line."""

from collections.abc import Callable
from time import monotonic

from flask import Flask, Response, g, request
from google.protobuf.message import Message
from werkzeug.exceptions import LengthRequired

from chassis.context import REQUEST_ID_PATTERN, new_request_id
from chassis.errors import Invalid
from chassis.messages.reader import M, Reader
from chassis.messages.writer import Writer
from chassis.telemetry import log


def read(reader: Reader[M], *, ahead: Callable[[], None] | None = None, **path: str) -> M:
    """Return the message in the request's JSON body; an empty body has no fields.

    If the body is unreadable, `ahead` runs first: it raises for callers who may
    not learn what is wrong with it.
    """
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired("Send the body with a Content-Length.")
    try:
        return reader.read(request.get_data(cache=False) or b"{}", **path)
    except Invalid:
        if ahead is not None:
            ahead()
        raise


def read_query(reader: Reader[M], *, ahead: Callable[[], None] | None = None, **path: str) -> M:
    """Return the message in the request's query string; `ahead` as for `read`."""
    try:
        return reader.read_query(request.args.to_dict(flat=False), **path)
    except Invalid:
        if ahead is not None:
            ahead()
        raise


def answer(
    status: int, writer: Writer, message: Message, *, location: str | None = None
) -> Response:
    """Return the message as JSON."""
    response = Response(writer.write(message), status, content_type="application/json")
    if location:
        response.headers["Location"] = location
    if g.get("replayed"):
        response.headers["Idempotent-Replayed"] = "true"
    return response


def register(app: Flask) -> None:
    """Make the application assign an id to every request and log every answer."""

    @app.before_request
    def begin_request() -> None:
        received = request.headers.get("X-Request-Id", "")
        g.request_id = received if REQUEST_ID_PATTERN.fullmatch(received) else new_request_id()
        g.started = monotonic()

    @app.after_request
    def log_answer(response: Response) -> Response:
        request_id, rule = g.request_id, request.url_rule
        response.headers["X-Request-Id"] = request_id
        optional = {name: g.get(name) for name in ("reason", "replayed")}
        log().info(
            "request",
            request_id=request_id,
            method=request.method,
            route=rule.rule if rule else None,
            status=response.status_code,
            ms=round((monotonic() - g.started) * 1000, 1),
            **{name: value for name, value in optional.items() if value},
        )
        return response

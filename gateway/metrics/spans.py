"""The span of a request: its route, method and status, and nothing that the caller wrote."""

from collections.abc import Mapping

from flask import Flask, Response, g, request

from chassis.spans.recording import SERVER, get_recorder
from chassis.spans.start import start
from gateway.metrics.methods import METHODS, OTHER


def register(app: Flask, environ: Mapping[str, str]) -> None:
    """Make the application record a span for each request, if the environment asks for traces."""
    try:
        start("gateway", environ)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if (recorder := get_recorder()) is None:
        return

    @app.before_request
    def begin_span() -> None:
        method = request.method if request.method in METHODS else OTHER
        attributes = {"http.request.method": method, "url.scheme": request.scheme}
        if request.url_rule is not None:
            attributes["http.route"] = request.url_rule.rule
        name = f"{method} {attributes.get('http.route', '')}".rstrip()
        carrier = {each: request.headers.get(each, "") for each in ("traceparent", "tracestate")}
        g.span = recorder.begin(name, SERVER, attributes, carrier)

    @app.after_request
    def note_answer(response: Response) -> Response:
        if (span := g.get("span")) is not None:
            status = response.status_code
            request_id = g.get("request_id")
            span.note({"http.response.status_code": status, "optigate.request_id": request_id})
            if status >= 500:
                span.fail(str(status))
        return response

    @app.teardown_request
    def end_span(_error: BaseException | None) -> None:
        if (span := g.pop("span", None)) is not None:
            span.end()

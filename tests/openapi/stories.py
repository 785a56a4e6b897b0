"""Runs the stories of openapi/examples against running services."""

import json
import os
from typing import Any

from flask.testing import FlaskClient
from google.protobuf.json_format import ParseDict
from werkzeug.datastructures import Headers

import protos.orders_pb2
import protos.sessions_pb2
import protos.subscriptions_pb2
from openapi.examples import FOLDER, Step, read_story, resolve_step
from openapi.routes import list_routes
from tests.gateway.front import CALLER
from tests.serving import Served

MODULES = {
    "sessions": protos.sessions_pb2,
    "orders": protos.orders_pb2,
    "subscriptions": protos.subscriptions_pb2,
}


def run_story(http: FlaskClient, served: Served) -> list[tuple[Step, int, Headers, Any]]:
    """Run a story; returns each call with the status, headers and answer of this run."""
    service, ran = served.name, []
    answers: dict[str, Any] = {}
    written = read_story(service)
    routes = {each.name: each for each in list_routes(http.application, service)}
    for each in written:
        step = resolve_step(service, each, answers)
        if step.desk:
            message = getattr(MODULES[service], f"{step.desk}Request")
            served.call(step.desk, ParseDict(step.body, message()), "staff", desk=True)
            continue
        route = routes[step.operation]
        path = route.path.format(**step.path)
        headers = {} if step.anonymous or step.operation == "create_token" else CALLER[service]
        sent = {"json": step.body} if step.form is None else {"data": step.form}
        found = http.open(
            path,
            method=route.method,
            query_string=step.query,
            headers={**headers, **step.headers},
            **(sent if route.has_body and (step.body is not None or step.form) else {}),
        )
        is_json = "json" in (found.content_type or "") and found.status_code != 204
        answer = json.loads(found.data) if is_json else found.text
        answers[each["name"]] = answer
        each["answer"] = answer
        ran.append((step, found.status_code, found.headers, answer))
    if os.environ.get("RECORD_EXAMPLES"):
        text = json.dumps(written, indent=1, ensure_ascii=False)
        (FOLDER / f"{service}.json").write_text(text + "\n")
    return ran


def outline(value: Any) -> Any:
    """Return the form of an answer: its fields, and the types of their values."""
    if isinstance(value, dict):
        return {name: outline(each) for name, each in value.items()}
    if isinstance(value, list):
        return [outline(each) for each in value]
    return "number" if isinstance(value, int | float) else type(value).__name__

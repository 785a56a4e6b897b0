"""The JSON Schemas of the bodies of events, from the webhooks of the OpenAPI documents."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from chassis.events.outbox import TEST
from openapi.events import JSON, MEANINGS, build_test_content
from openapi.fields.words import Constraints
from sessions_svc.rules.statuses import EVENT_TYPES, list_reported_statuses

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SERVED_AT = "/openapi/events"
COMPONENTS = "#/components/schemas/"
FORMS = (
    'Sent as a form, unless the endpoint has `format = "json"`: this describes the JSON. The form '
    "has the same fields, and those of an item of a list as `list[][field]`."
)
HEADING = """# Events

The body of each event as a JSON Schema (2020-12); a running gateway serves them at the paths in
their `$id`, and `x-events` of `/openapi.json` lists them. Receivers should expect further fields.
How events are sent, signed and retried is in [docs/events.md](../../events.md). This folder is
written by `python -m openapi`.

| API | type | when | schema |
|---|---|---|---|
"""


def build_event_schemas(documents: Mapping[str, Constraints]) -> dict[str, Constraints]:
    """Return the schema of each event, by the path of its file without the suffix."""
    return {
        f"{service}/{_name_file(service, kind)}": _build_schema(
            service, kind, content, documents[service]["components"]["schemas"]
        )
        for service in documents
        if "webhooks" in documents[service]
        for kind, content in _list_contents(service, documents[service])
    }


def _name_file(service: str, kind: str) -> str:
    """Return the name of the file of an event type, without the suffix."""
    return kind.removeprefix(f"{service}/").replace("/", "_")


def list_events(schemas: Mapping[str, Constraints]) -> list[Constraints]:
    """Return what the index says of the events."""
    return [
        {
            "api": path.partition("/")[0],
            "type": schema["title"],
            "summary": MEANINGS[schema["title"]],
            "schema": schema["$id"],
        }
        for path, schema in schemas.items()
    ]


def write_table(schemas: Mapping[str, Constraints]) -> str:
    """Return the page that lists the schemas."""
    rows = (
        f"| {path.partition('/')[0]} | `{schema['title']}` | {MEANINGS[schema['title']]} "
        f"| [{path}.json]({path}.json) |\n"
        for path, schema in schemas.items()
    )
    return HEADING + "".join(rows)


def _list_contents(service: str, document: Constraints) -> Iterator[tuple[str, Constraints]]:
    for kind, methods in document["webhooks"].items():
        yield kind, methods["post"]["requestBody"]["content"]
    yield TEST, build_test_content(service)


def _build_schema(
    service: str, kind: str, content: Constraints, named: Mapping[str, Constraints]
) -> Constraints:
    body = content[JSON]["schema"]
    if "$ref" in body:
        body = named[body["$ref"].removeprefix(COMPONENTS)]
    if kind in EVENT_TYPES:
        body = _narrow_session_event(body, kind)
    meaning = MEANINGS[kind]
    return {
        "$schema": DIALECT,
        "$id": f"{SERVED_AT}/{service}/{_name_file(service, kind)}.json",
        "title": kind,
        **_move_references(body),
        "description": meaning if len(content) == 1 else f"{meaning} {FORMS}",
        "examples": [content[JSON]["example"]],
        **_collect_definitions(body, named),
    }


def _narrow_session_event(body: Constraints, kind: str) -> Constraints:
    """Return the schema that all events of sessions share, for those of one type."""
    properties = body["properties"]
    status = {**properties["status"], "enum": list(list_reported_statuses(kind))}
    status["examples"] = status["enum"][:1]
    only = {**properties["type"], "enum": [kind], "examples": [kind]}
    return {**body, "properties": {**properties, "type": only, "status": status}}


def _collect_definitions(body: Constraints, named: Mapping[str, Constraints]) -> Constraints:
    """Return the named schemas that a body refers to, over any number of steps."""
    found: dict[str, Constraints] = {}
    queue = _list_references(body)
    while queue:
        name = queue.pop()
        if name not in found:
            found[name] = _move_references(named[name])
            queue += _list_references(named[name])
    return {"$defs": dict(sorted(found.items()))} if found else {}


def _list_references(value: Any) -> list[str]:
    return re.findall(rf"'\$ref': '{re.escape(COMPONENTS)}(\w+)'", repr(value))


def _move_references(value: Any) -> Any:
    """Return a schema whose references lead to its own definitions."""
    if isinstance(value, dict):
        return {name: _move_references(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_move_references(each) for each in value]
    if isinstance(value, str) and value.startswith(COMPONENTS):
        return value.replace(COMPONENTS, "#/$defs/")
    return value

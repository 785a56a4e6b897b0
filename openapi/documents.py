"""The OpenAPI documents: one for each API, and the index of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from openapi.bodies import build_answer, build_request
from openapi.components import BODIES, PARAMETERS, RESPONSE_HEADERS, SECURITY, SECURITY_SCHEMES
from openapi.event_schemas import build_event_schemas, list_events
from openapi.events import build_webhooks
from openapi.examples import FieldExamples, Step, load_steps, make_up
from openapi.fields.comments import read_comments
from openapi.fields.schemas import Schemas
from openapi.fields.words import Constraints
from openapi.links import add_links
from openapi.routes import Route, list_routes
from openapi.samples import build_samples
from openapi.statuses import OF_BODIES, describe_call, list_statuses

GUIDES = Path(__file__).parent.parent / "docs" / "guides"
OPENAPI = "3.1.0"
TITLES = {
    "sessions": "Vision-test sessions",
    "orders": "Eyeglass lab orders",
    "subscriptions": "Contact-lens subscriptions",
}
SUMMARIES = {
    "sessions": "For partners of online vision tests.",
    "orders": "For opticians' software that orders glasses from labs.",
    "subscriptions": "For shops that sell contact lenses and glasses by subscription.",
}


def build_documents(app: Flask) -> dict[str, Constraints]:
    """Return all documents, by the names of their files."""
    comments = read_comments()
    documents = {service: build_document(app, service, comments) for service in TITLES}
    return {"index": build_index(documents), **documents}


def build_document(app: Flask, service: str, comments: Mapping[str, str]) -> Constraints:
    """Return the document of one API."""
    schemas = Schemas(comments, f"optigate.{service}.v1")
    routes, steps = list_routes(app, service), load_steps(service)
    for route in routes:  # requests first: answers with the same messages are named after them
        build_request(route, schemas)
    paths: dict[str, Any] = {}
    for route in routes:
        operation = _build_operation(route, schemas, comments, steps)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    add_links(routes, paths)
    webhooks = build_webhooks(service, schemas)
    _, errors = BODIES[service]
    schemas.named |= errors
    _add_field_examples(schemas, paths)
    return {
        "openapi": OPENAPI,
        "info": _build_info(service),
        "servers": [{"url": "/", "description": "This gateway."}],
        "security": SECURITY[service],
        "tags": _list_tags(paths, webhooks),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": dict(sorted(schemas.named.items())),
            "parameters": PARAMETERS
            if service == "orders"
            else {name: each for name, each in PARAMETERS.items() if name not in OF_ORDERS},
            "headers": RESPONSE_HEADERS,
            "securitySchemes": SECURITY_SCHEMES[service],
        },
    }


def build_index(documents: Mapping[str, Constraints]) -> Constraints:
    """Return the index: which APIs there are, and the routes of the gateway itself."""
    apis = [
        {
            "name": service,
            "title": document["info"]["title"],
            "summary": document["info"]["summary"],
            "openapi": f"/openapi/{service}.json",
            "docs": f"/docs/{service}",
        }
        for service, document in documents.items()
    ]
    api = _describe_parameter("api", "The API.", *documents)
    event = _describe_parameter("event", "The event, without the API at the beginning of its type.")
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Optigate",
            "summary": "The gateway of three APIs, each with a document of its own.",
            "version": version_of_optigate(),
            "description": "`x-apis` lists the documents of the three APIs, `x-events` the JSON "
            "Schemas of their events.",
        },
        "x-apis": apis,
        "x-events": list_events(build_event_schemas(documents)),
        "servers": [{"url": "/", "description": "This gateway."}],
        "security": [],
        "paths": {
            "/openapi.json": {"get": _describe_own("get_index", "This document.")},
            "/openapi/{api}.json": {
                "parameters": [api],
                "get": _describe_own("get_document", "The document of one API."),
            },
            "/openapi/events/{api}/{event}.json": {
                "parameters": [api, event],
                "get": _describe_own("get_event_schema", "The JSON Schema of an event's body."),
            },
            "/livez": {"get": _describe_own("get_livez", "Whether this process is alive.")},
            "/readyz": {
                "get": _describe_own(
                    "get_readyz",
                    "Whether every service behind it is ready; 503 names the others.",
                    503,
                )
            },
        },
    }


def _describe_parameter(name: str, meaning: str, *values: str) -> Constraints:
    schema = {"type": "string", **({"enum": list(values)} if values else {})}
    return {"name": name, "in": "path", "required": True, "description": meaning, "schema": schema}


def version_of_optigate() -> str:
    """Return the version in pyproject.toml, installed or not."""
    import tomllib

    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    found: str = tomllib.loads(text)["project"]["version"]
    return found


OF_ORDERS = ("UserEmail", "RequiredIfMatch")  # parameters that the other APIs have not
NOT_MODIFIED: Constraints = {
    "304": {
        "description": "It is what If-None-Match names. There is no body.",
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "ETag")
        },
    }
}


def _describe_own(name: str, meaning: str, *more: int) -> Constraints:
    content = {"application/json": {"schema": {"type": "object"}}}
    answers = {str(status): {"description": meaning, "content": content} for status in (200, *more)}
    return {"operationId": name, "summary": meaning, "responses": answers}


def _build_info(service: str) -> Constraints:
    return {
        "title": TITLES[service],
        "summary": SUMMARIES[service],
        "description": (GUIDES / f"{service}.md").read_text(),
        "version": version_of_optigate(),
    }


def _build_operation(
    route: Route, schemas: Schemas, comments: Mapping[str, str], steps: list[Step]
) -> Constraints:
    mine = [step for step in steps if step.operation == route.name]
    meaning = describe_call(route, comments)
    summary = re.split(r"[:;.] ", meaning.replace("\n", " "))[0].rstrip(".")
    operation: Constraints = {
        "operationId": route.name,
        "summary": summary,
        "tags": [_choose_tag(route)],
    }
    if route.is_deprecated:
        operation["deprecated"] = True
    if meaning.rstrip(".") != summary:
        operation["description"] = meaning
    if route.name == "create_token":
        operation["security"] = [{}, {"basic": []}]
    parameters, body = build_request(route, schemas, mine)
    for each in parameters:
        _add_parameter_example(each, mine)
    refusals = _build_refusals(route, comments, mine)
    operation["parameters"] = [*parameters, *_list_headers(route, refusals)]
    if body:
        operation["requestBody"] = body
    operation["responses"] = {
        str(route.status): build_answer(route, schemas, comments, mine),
        **(NOT_MODIFIED if route.may_read_one else {}),
        **refusals,
    }
    if accepted := [step for step in mine if step.status < 300 and step.form is None]:
        operation["x-codeSamples"] = build_samples(accepted[0], route.method, route.path)
    return operation


def _add_parameter_example(parameter: Constraints, steps: list[Step]) -> None:
    """Set the value that an accepted example has, or else a made-up one in the schema.

    Readers fill in what a parameter has, and leave out what only its schema has.
    """
    name, schema = parameter["name"], parameter["schema"]
    sent = [{**step.query, **step.path} for step in steps if step.status < 300]
    found = next((each[name] for each in sent if name in each), None)
    is_list = schema.get("type") == "array"
    if found is not None:
        parameter["example"] = found.split(",") if is_list else _parse(found, schema)
    elif is_list:
        schema["examples"] = [[make_up(schema["items"], "string")]]
    else:
        schema["examples"] = [make_up(schema, schema.get("type", "string"))]


def _parse(value: Any, schema: Constraints) -> Any:
    return int(value) if schema.get("type") == "integer" else value


def _list_headers(route: Route, refusals: Constraints) -> list[Constraints]:
    names = ["RequestId"]
    if route.may_read_one:
        names.append("IfNoneMatch")
    if "412" in refusals and not route.needs_if_match:
        names.append("IfMatch")
    if route.method == "POST":
        names.insert(0, "IdempotencyKey")
    if route.needs_if_match:
        names.insert(0, "RequiredIfMatch")
    if route.service == "orders" and route.name != "create_token":
        names.insert(0, "UserEmail")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _build_refusals(route: Route, comments: Mapping[str, str], steps: list[Step]) -> Constraints:
    name, _ = BODIES[route.service]
    schema = {"$ref": f"#/components/schemas/{name}"}
    refusals = {}
    for status, meanings in list_statuses(route, comments).items():
        content: Constraints = {route.dialect.content_type: {"schema": schema}}
        examples = {
            step.name: {"summary": step.summary, "value": step.answer}
            for step in steps
            if step.status == status and step.form is None
        }
        if examples:
            content[route.dialect.content_type]["examples"] = examples
        if route.name == "create_token" and status not in OF_BODIES:  # a form has a form's errors
            either = [schema, {"$ref": "#/components/schemas/OAuthError"}]
            content[route.dialect.content_type]["schema"] = {"anyOf": either}
        refusals[str(status)] = {
            "description": " ".join(meanings),
            "headers": _choose_headers(status),
            "content": content,
        }
    return refusals


def _choose_headers(status: int) -> Constraints:
    names = ["X-Request-Id"]
    if status == 401:
        names.append("WWW-Authenticate")
    if status in (409, 429, 503):
        names.append("Retry-After")
    if status == 429:
        names += ["RateLimit", "RateLimit-Policy"]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _choose_tag(route: Route) -> str:
    """Return the resource of a path, as a heading."""
    rest = [each for each in route.path.removeprefix(route.dialect.prefix).split("/") if each]
    return rest[0].replace("_", " ").capitalize() if rest[0] != "fhir" else "FHIR"


def _list_tags(paths: Constraints, webhooks: Constraints) -> list[Constraints]:
    names: dict[str, None] = {}
    for methods in (*paths.values(), *webhooks.values()):
        for operation in methods.values():
            names |= dict.fromkeys(operation["tags"])
    return [{"name": name} for name in names]


def _add_field_examples(schemas: Schemas, paths: Constraints) -> None:
    """Set an example of each field: from the whole documents, or else made up."""
    fields = FieldExamples(schemas.named)
    for methods in paths.values():
        for operation in methods.values():
            for each in (operation.get("requestBody"), *operation["responses"].values()):
                for content in (each or {}).get("content", {}).values():
                    if not content["schema"].keys() & {"$ref", "anyOf"}:
                        continue  # text, or a document of FHIR
                    for example in content.get("examples", {}).values():
                        fields.collect(content["schema"], example["value"])
    fields.complete()

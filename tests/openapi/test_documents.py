"""The documents are fresh, valid, and lack no route, field or status."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway import create_app, oauth, orders, sessions, subscriptions
from gateway.problems import STATUS
from openapi.__main__ import generate
from openapi.routes import list_routes
from openapi.statuses import OF_BODIES
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.warnings.codes import CODES
from sessions_svc.rules.statuses import Status
from subscriptions_svc.rules import statuses
from tests.serving import SERVICES

ROOT = Path(__file__).parent.parent.parent
BLUEPRINTS = {"sessions": sessions, "orders": orders, "subscriptions": subscriptions}
BY_SERVICE = pytest.mark.parametrize("service", SERVICES)
SCALARS = {"string", "number", "integer", "boolean"}


def read_document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        (ROOT / "gateway" / "openapi" / f"{name}.json").read_text()
    )
    return document


def list_fields(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The properties of all schemas, with their names."""

    def visit(name: str, schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(schema, dict):
            for each, inner in schema.get("properties", {}).items():
                yield f"{name}.{each}", inner
                yield from visit(f"{name}.{each}", inner)
            for key in ("items", "additionalProperties"):
                yield from visit(name, schema.get(key))

    for name, schema in document["components"]["schemas"].items():
        yield from visit(name, schema)


def get_types(field: dict[str, Any]) -> set[str]:
    kind = field.get("type", ())
    return {kind} if isinstance(kind, str) else set(kind)


def test_the_committed_documents_are_fresh(tmp_path: Path) -> None:
    generate(tmp_path)
    written = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*.*")}
    folders = [Path("gateway/openapi"), Path("docs/reference/events")]
    committed = {
        path.relative_to(ROOT)
        for folder in folders
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".json", ".md")
    }
    single = ("examples/optigate.postman_collection.json", "docs/reference/configuration.md")
    assert set(written) == {*committed, *map(Path, single)}
    for name, path in written.items():
        assert (ROOT / name).read_text() == path.read_text(), f"python -m openapi: {name}"


@pytest.mark.parametrize("name", ["index", *SERVICES])
def test_a_document_is_valid(name: str) -> None:
    OpenAPIV31SpecValidator(read_document(name)).validate()


def test_no_route_is_missing() -> None:
    app = create_app()
    described = {
        (method.upper(), path)
        for name in ("index", *SERVICES)
        for path, methods in read_document(name)["paths"].items()
        for method in methods
        if method != "parameters"
    }
    served = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.split(".")[0] in {*SERVICES, "openapi", "health"}
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == served


@BY_SERVICE
def test_no_reader_and_no_writer_is_missing(service: str) -> None:
    """Each of the blueprint's readers and writers belongs to a call that is described."""
    routes = list_routes(create_app(), service)
    found = {id(each) for route in routes for each in (*route.readers, *route.writers)}
    held = {
        name: each
        for name, each in vars(BLUEPRINTS[service]).items()
        if type(each).__name__ in ("Reader", "Writer")
    }
    assert {name for name, each in held.items() if id(each) not in found} == set()


@BY_SERVICE
def test_no_field_is_missing(service: str) -> None:
    document = read_document(service)
    schemas = document["components"]["schemas"]
    for route in list_routes(create_app(), service):
        operation = document["paths"][route.path][route.method.lower()]
        for reader in route.readers:
            taken = {each["name"] for each in operation["parameters"] if "name" in each}
            taken = {name.replace("[", "_").replace("]", "") for name in taken}
            if "document" in reader.shape:
                continue
            if route.has_query:
                assert reader.shape.keys() <= taken, route.name
            if route.has_body:
                content = operation["requestBody"]["content"]["application/json"]["schema"]
                name = content.get("anyOf", [content])[0]["$ref"].rpartition("/")[2]
                assert_has_fields(schemas, schemas[name], reader.shape)


def assert_has_fields(schemas: Any, schema: dict[str, Any], shape: Any) -> None:
    """A schema has the fields that a reader takes, in every message inside it, and no others."""
    refs = list(find_refs(schema, schemas))
    names = set().union(*(each["properties"].keys() for each in refs))
    # Only items of a changed cart may have an id; the rules refuse it elsewhere.
    assert shape.keys() - names <= {"id"}
    assert names <= shape.keys()
    for name, (leaf, _) in shape.items():
        if isinstance(leaf, dict) and name in names:
            fields = [each["properties"][name] for each in refs if name in each["properties"]]
            inner = {"anyOf": [each.get("items", each) for each in fields]}
            assert_has_fields(schemas, inner, leaf)


def find_refs(schema: dict[str, Any], schemas: Any) -> Iterator[dict[str, Any]]:
    """The objects that a schema stands for."""
    if "$ref" in schema:
        yield from find_refs(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    elif "properties" in schema:
        yield schema
    for key in ("anyOf", "oneOf"):
        for each in schema.get(key, ()):
            yield from find_refs(each, schemas)


@BY_SERVICE
def test_every_field_is_described_with_type_range_and_example(service: str) -> None:
    lacking = []
    for name, field in list_fields(read_document(service)):
        types = get_types(field) - {"null"}
        if "description" not in field:
            lacking.append(f"{name}: description")
        if not types and not field.keys() & {"$ref", "anyOf", "oneOf"}:
            lacking.append(f"{name}: type")
        if types & SCALARS and "examples" not in field:
            lacking.append(f"{name}: example")
        if "integer" in types and not {"minimum", "maximum"} <= field.keys():
            lacking.append(f"{name}: range")
    assert lacking == []


@BY_SERVICE
def test_every_number_of_a_request_has_a_range_and_optical_ones_a_unit(service: str) -> None:
    units = {
        "sphere",
        "cylinder",
        "add",
        "axis",
        "pd",
        "near_pd",
        "base_curve",
        "diameter",
        "a",
        "b",
    }
    lacking = []
    for name, field in list_fields(read_document(service)):
        if not get_types(field) & {"number", "integer"}:
            continue
        schema, _, last = name.rpartition(".")
        is_sent = (
            read_document(service)["components"]["schemas"]
            .get(schema, {})
            .get("additionalProperties")
        )
        if is_sent is False and not {"minimum", "maximum"} <= field.keys():
            lacking.append(f"{name}: range")
        if last in units and "x-unit" not in field:
            lacking.append(f"{name}: unit")
    assert lacking == []


def find_values(service: str, schema: str, field: str) -> list[str]:
    """The values that a document allows for a field."""
    found = read_document(service)["components"]["schemas"][schema]["properties"][field]
    values: list[str] = found.get("items", found)["enum"]
    return values


def test_words_are_those_of_the_rules() -> None:
    assert find_values("sessions", "Session", "status") == list(Status)
    assert set(find_values("orders", "Order", "lab_status")) == set(LabStatus)
    assert find_values("subscriptions", "Subscription", "status") == list(statuses.Status)
    assert find_values("subscriptions", "Subscription", "payment_status") == list(
        statuses.PaymentStatus
    )
    assert find_values("orders", "Warning", "code") == list(CODES)
    assert find_values("orders", "CreateOrderRequest", "acknowledged_warnings") == list(CODES)


def test_words_of_errors_are_those_of_the_gateway() -> None:
    schemas = read_document("orders")["components"]["schemas"]
    kinds = schemas["Error"]["properties"]["error"]["properties"]["type"]["enum"]
    assert set(kinds) == {*orders.ERROR_TYPES.values(), "invalid_request_error", "api_error"}
    codes = schemas["OAuthError"]["properties"]["error"]["enum"]
    assert set(codes) == {*oauth.ERRORS.values(), "invalid_request", "server_error"}


def test_a_form_at_the_token_route_is_refused_in_its_own_form_by_every_status() -> None:
    operation = read_document("orders")["paths"]["/v1/oauth/token"]["post"]
    for status, answer in operation["responses"].items():
        if status >= "400" and int(status) not in OF_BODIES:
            schema = answer["content"]["application/json"]["schema"]
            assert {"$ref": "#/components/schemas/OAuthError"} in schema["anyOf"], status


def test_only_the_token_route_takes_forms() -> None:
    for path, methods in read_document("orders")["paths"].items():
        for operation in methods.values():
            if refused := operation["responses"].get("415"):
                takes_forms = " or a form" not in refused["description"]
                assert takes_forms == (path == "/v1/oauth/token"), path


@BY_SERVICE
def test_every_status_of_the_contract_is_described(service: str) -> None:
    document = read_document(service)
    always = {"400", "401", "429", "500", "503", "504"}
    possible = {str(each) for each in STATUS.values()} | {
        "200",
        "201",
        "202",
        "304",
        "204",
        "408",
        "413",
        "415",
        "428",
        "429",
        "500",
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            expected = set(always)
            if method != "get":
                expected |= {"408", "413", "415"}
            if method == "post":
                expected |= {"409", "422"}
            # Of these two, every fault is a 422.
            if "{" in path and operation["operationId"] not in ("send_email", "send_sms"):
                expected |= {"404"}
            is_single = operation["operationId"].startswith(("get_", "who_"))
            # One path of sessions lists them, or returns the one that its query names.
            if method == "get" and (is_single or path.endswith("/partners/sessions")):
                expected |= {"304"}
            assert expected <= operation["responses"].keys() <= possible, operation["operationId"]
            for status, answer in operation["responses"].items():
                assert answer["description"]
                has_content = status not in ("204", "304")
                assert bool(answer.get("content")) is has_content, (
                    operation["operationId"],
                    status,
                )


@BY_SERVICE
def test_headers_and_credentials_are_described(service: str) -> None:
    document = read_document(service)
    assert {"RateLimit", "RateLimit-Policy", "Retry-After", "Idempotent-Replayed"} <= document[
        "components"
    ]["headers"].keys()
    schemes = document["components"]["securitySchemes"]
    kinds = {(each["type"], each.get("scheme")) for each in schemes.values()}
    expected: set[tuple[str, str | None]] = {("http", "basic")}
    if service == "orders":
        expected |= {("http", "bearer"), ("oauth2", None)}
    assert kinds == expected
    for methods in document["paths"].values():
        for method, operation in methods.items():
            refs = {each.get("$ref", "").rpartition("/")[2] for each in operation["parameters"]}
            assert ("IdempotencyKey" in refs) == (method == "post")


def test_webhooks_are_the_events_of_the_services() -> None:
    from orders_svc.documents import events as of_orders
    from sessions_svc.rules.statuses import EVENT_TYPES
    from subscriptions_svc.documents import events as of_subscriptions

    types = {
        "sessions": EVENT_TYPES,
        "orders": of_orders.EVENT_TYPES,
        "subscriptions": of_subscriptions.EVENT_TYPES,
    }
    for service, names in types.items():
        assert set(read_document(service)["webhooks"]) == set(names)


@BY_SERVICE
def test_no_call_speaks_of_grpc(service: str) -> None:
    text = (ROOT / "gateway" / "openapi" / f"{service}.json").read_text()
    for word in ("INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED", "FAILED_PRECONDITION", "gRPC"):
        assert word not in text

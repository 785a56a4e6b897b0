"""Every example of the documents is what a running gateway answers, and fits its schema."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource

from tests.openapi.stories import outline, run_story
from tests.serving import SERVICES, Served

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
# Headers of answers that the documents have wherever they are sent.
DESCRIBED = {"ETag", "Idempotent-Replayed", "Link", "Location", "Retry-After", "WWW-Authenticate"}
Run = tuple[FlaskClient, dict[str, Served]]


@pytest.fixture(scope="module")
def run(http: FlaskClient, sessions: Served, orders: Served, subscriptions: Served) -> Run:
    """The gateway and its services."""
    return http, {"sessions": sessions, "orders": orders, "subscriptions": subscriptions}


def read_document(service: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        (ROOT / "gateway" / "openapi" / f"{service}.json").read_text()
    )
    return document


def list_operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        each["operationId"]: each
        for methods in document["paths"].values()
        for each in methods.values()
    }


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """The faults of a value by a schema of a document."""
    resource = Resource.from_contents(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
    )
    registry: Registry[Any] = Registry().with_resource("urn:document", resource)

    def absolute(each: Any) -> Any:
        if isinstance(each, dict):
            return {
                name: f"urn:document{inner}" if name == "$ref" else absolute(inner)
                for name, inner in each.items()
            }
        return [absolute(inner) for inner in each] if isinstance(each, list) else each

    validator = OAS31Validator(absolute(schema), registry=registry)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("service", SERVICES)
def test_every_example_is_answered_as_recorded(run: Run, service: str) -> None:
    http, served = run
    if os.environ.get("RECORD_EXAMPLES"):
        run_story(http, served[service])
        return
    document = read_document(service)
    operations = list_operations(document)
    for step, status, headers, answer in run_story(http, served[service]):
        assert status == step.status, (step.name, answer)
        assert outline(answer) == outline(step.answer), step.name
        operation = operations[step.operation]
        described = operation["responses"][str(status)]
        assert DESCRIBED & {*headers.keys()} <= described["headers"].keys(), step.name
        if status == 204:
            assert answer == ""
            continue
        (content,) = described["content"].values()
        assert check(document, content["schema"], answer) == [], step.name
        if step.form is None:
            assert content["examples"][step.name]["summary"] == step.summary
        if status < 300 and step.body is not None:
            body = operation["requestBody"]["content"]["application/json"]
            assert check(document, body["schema"], step.body) == [], step.name
            assert step.name in body["examples"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_call_has_an_example(engine: str, service: str) -> None:
    for name, operation in list_operations(read_document(service)).items():
        accepted = min(operation["responses"])
        if accepted != "204":
            (content,) = operation["responses"][accepted]["content"].values()
            assert content["examples"], name
        assert {each["label"] for each in operation["x-codeSamples"]} == {
            *("cURL", "Python", "JavaScript", "PHP")
        }

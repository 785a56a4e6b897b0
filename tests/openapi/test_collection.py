"""The collection has every call of the documents, and its requests are answered."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.front import CALLER
from tests.serving import SERVICES

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "examples" / "optigate.postman_collection.json"


def read_collection() -> dict[str, Any]:
    collection: dict[str, Any] = json.loads(FILE.read_text())
    return collection


def fill(text: str, collection: dict[str, Any]) -> str:
    """Replace the collection's variables."""
    values = {each["key"]: each["value"] for each in collection["variable"]}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)


def test_every_call_is_in_it() -> None:
    calls = {
        (item["request"]["method"], "/" + "/".join(item["request"]["url"]["path"]))
        for folder in read_collection()["item"]
        for item in folder["item"]
    }
    described = {
        (method.upper(), path.replace("{", ":").replace("}", ""))
        for service in SERVICES
        for path, methods in json.loads(
            (ROOT / "gateway" / "openapi" / f"{service}.json").read_text()
        )["paths"].items()
        for method in methods
    }
    assert calls == described


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_its_requests_are_understood(http: FlaskClient) -> None:
    """No request of it is refused for its form; ids of the examples are unknown here."""
    collection = read_collection()
    for service, folder in zip(SERVICES, collection["item"], strict=True):
        for item in folder["item"]:
            request = item["request"]
            url = fill(request["url"]["raw"], collection).removeprefix("http://127.0.0.1:8080")
            for each in request["url"].get("variable", ()):
                url = url.replace(f":{each['key']}", each["value"])
            headers = {each["key"]: fill(each["value"], collection) for each in request["header"]}
            if "auth" not in request:
                headers |= CALLER[service]
            answer = http.open(
                url,
                method=request["method"],
                headers=headers,
                data=request.get("body", {}).get("raw"),
            )
            assert answer.status_code not in (400, 401, 405, 415), (item["name"], answer.text)

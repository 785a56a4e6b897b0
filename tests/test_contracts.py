"""Every public route has its row in docs/contracts, and OpenAPI says what the contracts say."""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from gateway import DIALECTS, create_app

CONTRACTS = Path(__file__).parent.parent / "docs" / "contracts"
FILES = {
    "/api/v2/partners": "sessions.md",
    "/v1": "orders.md",
    "/api/public/v1": "subscriptions.md",
}

DOCUMENTS = {
    "/api/v2/partners": ("sessions", "/sessions"),
    "/v1": ("orders", "/orders"),
    "/api/public/v1": ("subscriptions", "/subscriptions"),
}
STATUSES = {str(each.value) for each in HTTPStatus}
BY_PREFIX = pytest.mark.parametrize("prefix", [dialect.prefix for dialect in DIALECTS])


def list_written(prefix: str) -> set[str]:
    """The calls that a contract lists, with every path parameter as `:`."""
    text = (CONTRACTS / FILES[prefix]).read_text()
    calls = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`? ]*)", text)
    return {re.sub(r":\w+", ":", call).replace(f" {prefix}/", " /") for call in calls}


def list_served(prefix: str) -> set[str]:
    """The calls that the gateway answers below a prefix."""
    calls = set()
    for rule in create_app().url_map.iter_rules():
        if rule.rule.startswith(prefix + "/"):
            path = re.sub(r"<[^>]+>", ":", rule.rule.removeprefix(prefix))
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            calls |= {f"{method} {path}" for method in methods}
    return calls


def read_document(prefix: str) -> dict[str, Any]:
    """The OpenAPI document of an API."""
    path = CONTRACTS.parents[1] / "gateway" / "openapi" / f"{DOCUMENTS[prefix][0]}.json"
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def list_rows(prefix: str, heading: str) -> list[list[str]]:
    """The cells of each row of a contract's table with this heading."""
    text = (CONTRACTS / FILES[prefix]).read_text()
    table = text.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [re.split(r" \| ", row.strip("| ")) for row in table.splitlines()[2:]]


def list_names(schema: dict[str, Any], document: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """The fields of a schema, and of those that it refers to."""
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference and reference not in seen:
        seen.add(reference)
        yield from list_names(document["components"]["schemas"][reference], document, seen)
    for name, each in schema.get("properties", {}).items():
        yield name
        yield from list_names(each, document, seen)
    for each in (schema.get("items", {}), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if each:
            yield from list_names(each, document, seen)


@BY_PREFIX
def test_contract_and_gateway_list_the_same_calls(prefix: str) -> None:
    assert list_served(prefix) == list_written(prefix)


@BY_PREFIX
def test_every_status_of_a_call_is_described(prefix: str) -> None:
    operations = {
        f"{method.upper()} {re.sub(r'{[^}]+}', ':', path).removeprefix(prefix)}": operation
        for path, methods in read_document(prefix)["paths"].items()
        for method, operation in methods.items()
    }
    for call, answers in list_rows(prefix, "call | answers"):
        for written in re.findall(r"`([A-Z]+ /[^`? ]*)", call):
            name = re.sub(r":\w+", ":", written).replace(f" {prefix}/", " /")
            said = {*re.findall(r"(?<![\w,(-])[2-5]\d\d\b(?! char)", answers)} & STATUSES
            assert said <= operations[name]["responses"].keys(), written


@BY_PREFIX
def test_every_field_of_the_request_is_described(prefix: str) -> None:
    document = read_document(prefix)
    create = document["paths"][f"{prefix}{DOCUMENTS[prefix][1]}"]["post"]
    schema = create["requestBody"]["content"]["application/json"]["schema"]
    described = {*list_names(schema, document, set())}
    rows = list_rows(prefix, "field | rule")
    fields = [each for row in rows for each in re.findall(r"`([a-z_.\[\]]+)`", row[0])]
    assert len(fields) > 10
    assert {name.strip("[]") for each in fields for name in each.split(".")} <= described

"""The links of the documents: each leads to a call, and what it says is there."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.front import CALLER
from tests.serving import SERVICES

DOCUMENTS = Path(__file__).parents[2] / "gateway" / "openapi"
BY_SERVICE = pytest.mark.parametrize("service", SERVICES)
BODY = "$response.body#/"


def read_document(service: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DOCUMENTS / f"{service}.json").read_text())
    return document


def list_operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The calls by their names."""
    return {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }


def list_links(operation: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each link of a call, with the answer that has it."""
    return [
        (answer, link)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]


def list_parameters(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a call, as links name them."""
    components = document["components"]["parameters"]
    found = [
        components[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in operation["parameters"]
    ]
    return {f"{each['in']}.{each['name']}": each for each in found}


def has_place(document: dict[str, Any], schema: dict[str, Any], place: list[str]) -> bool:
    """Whether an answer of a schema may have something at a place."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if not place:
        return True
    inner = schema.get("items") if place[0] == "0" else schema.get("properties", {}).get(place[0])
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return (inner is not None and has_place(document, inner, place[1:])) or any(
        has_place(document, each, place) for each in choices
    )


@BY_SERVICE
def test_each_leads_to_a_call_with_all_that_this_needs(service: str) -> None:
    document = read_document(service)
    operations = list_operations(document)
    for operation in operations.values():
        for answer, link in list_links(operation):
            target = list_parameters(document, operations[link["operationId"]])
            assert link["parameters"].keys() <= target.keys()
            required = {
                name
                for name, each in target.items()
                if each.get("required") and not name.startswith("header.")
            }
            assert required <= link["parameters"].keys()
            own = list_parameters(document, operation)
            (content,) = answer["content"].values()
            for source in link["parameters"].values():
                if source.startswith(BODY):
                    place = source.removeprefix(BODY).split("/")
                    assert has_place(document, content["schema"], place), source
                elif source == "$response.header.ETag":
                    assert "ETag" in answer["headers"]
                else:
                    assert source.removeprefix("$request.") in own


@BY_SERVICE
def test_what_is_created_is_read_changed_and_ended_along_links(service: str) -> None:
    operations = list_operations(read_document(service))
    expected = {
        "sessions": {"create_session": {"list_sessions", "cancel_session"}},
        "orders": {
            "create_order": {"get_order", "replace_order", "delete_order", "submit_order"},
            "duplicate_order": {"get_order"},
            "get_order": {"replace_order", "cancel_order"},
            "list_orders": {"get_order"},
            "create_lens_package": {"delete_lens_package"},
            "list_materials": {"list_addons"},
        },
        "subscriptions": {
            "create_subscription": {"get_subscription", "activate_cart_item"},
            "get_subscription": {"create_box_deliveries", "cancel_subscription"},
            "list_subscriptions": {"get_subscription"},
        },
    }[service]
    for name, targets in expected.items():
        assert targets <= {link["operationId"] for _, link in list_links(operations[name])}, name


def test_a_change_follows_with_the_version_that_was_read(http: FlaskClient, body: Any) -> None:
    headers = CALLER["orders"]
    made = http.post("/v1/orders", json={**body("order"), "mode": "draft"}, headers=headers)
    operations = list_operations(read_document("orders"))
    (read,) = [
        link["parameters"]
        for _, link in list_links(operations["create_order"])
        if link["operationId"] == "get_order"
    ]
    assert read == {"path.order_id": "$response.body#/id"}
    found = http.get(f"/v1/orders/{made.get_json()['id']}", headers=headers)
    (change,) = [
        link["parameters"]
        for _, link in list_links(operations["get_order"])
        if link["operationId"] == "delete_order"
    ]
    assert change == {
        "path.order_id": "$response.body#/id",
        "header.If-Match": "$response.header.ETag",
    }
    path = f"/v1/orders/{found.get_json()['id']}"
    conditions = {"If-Match": found.headers["ETag"]}
    assert http.delete(path, headers={**headers, **conditions}).status_code == 204

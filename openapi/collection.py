"""A Postman collection (v2.1), which Bruno imports too, from the OpenAPI documents."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from openapi.fields.words import Constraints
from openapi.samples import BASE, CREDENTIALS, USER_EMAIL

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
NAMESPACE = uuid.UUID("6d1f3f52-8d7c-4b8e-9a8e-0c5c0f7d2b11")
TOKEN_SCRIPT = [
    "const found = pm.response.json();",
    "if (found.token) pm.collectionVariables.set('token', found.token);",
]


def build_collection(documents: Mapping[str, Constraints]) -> Constraints:
    """Return a collection with a folder for each API, and the demo's credentials as variables."""
    variables = {"base": BASE, "user_email": USER_EMAIL["User-Email"], "token": ""}
    for service, (name, secret) in CREDENTIALS.items():
        variables |= {f"{service}_name": name, f"{service}_secret": secret}
    return {
        "info": {
            "_postman_id": str(uuid.uuid5(NAMESPACE, "optigate")),
            "name": "Optigate",
            "description": "Generated from the OpenAPI documents by `python -m openapi`.",
            "schema": SCHEMA,
        },
        "item": [
            _build_folder(service, document)
            for service, document in documents.items()
            if service in CREDENTIALS
        ],
        "variable": [
            {"key": key, "value": value, "type": "string"} for key, value in variables.items()
        ],
    }


def _build_folder(service: str, document: Constraints) -> Constraints:
    basic = [_pair(key, f"{{{{{service}_{key2}}}}}") for key, key2 in _BASIC]
    auth: Constraints = {"type": "basic", "basic": basic}
    if service == "orders":
        auth = {"type": "bearer", "bearer": [_pair("token", "{{token}}")]}
    return {
        "name": document["info"]["title"],
        "auth": auth,
        "item": [
            _build_item(service, document, path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ],
    }


_BASIC = (("username", "name"), ("password", "secret"))


def _pair(key: str, value: str) -> Constraints:
    return {"key": key, "value": value, "type": "string"}


def _build_item(
    service: str, document: Constraints, path: str, method: str, operation: Constraints
) -> Constraints:
    parameters = [_follow(document, each) for each in operation["parameters"]]
    body = _find_body(operation)
    headers = [_pair("Content-Type", "application/json")] if body is not None else []
    if service == "orders" and operation["operationId"] != "create_token":
        headers.append(_pair("User-Email", "{{user_email}}"))
    request: Constraints = {
        "method": method.upper(),
        "description": operation.get("description", operation["summary"]),
        "header": headers,
        "url": _build_url(path, parameters),
    }
    if body is not None:
        raw = json.dumps(body, indent=2, ensure_ascii=False)
        request["body"] = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    item: Constraints = {"name": operation["summary"], "request": request, "response": []}
    if operation["operationId"] == "create_token":
        request["auth"] = {"type": "noauth"}
        script = {"type": "text/javascript", "exec": TOKEN_SCRIPT}
        item["event"] = [{"listen": "test", "script": script}]
    return item


ONE_OF_TWO = ("user_key", "person_ref")  # of which a list needs one


def _build_url(path: str, parameters: list[Constraints]) -> Constraints:
    parts = path.strip("/").replace("{", ":").replace("}", "").split("/")
    names = {each["name"] for each in parameters if each["in"] == "query"}
    query = [
        {
            "key": each["name"],
            "value": _write_value(_find_example(each)),
            "description": each["description"],
            "disabled": not each.get("required", False)
            and not (each["name"] == ONE_OF_TWO[0] and set(ONE_OF_TWO) <= names),
        }
        for each in parameters
        if each["in"] == "query"
    ]
    variables = [
        {
            "key": each["name"],
            "value": _write_value(_find_example(each)),
            "description": each["description"],
        }
        for each in parameters
        if each["in"] == "path"
    ]
    asked = "&".join(f"{each['key']}={each['value']}" for each in query if not each["disabled"])
    url: Constraints = {
        "raw": "{{base}}/" + "/".join(parts) + (f"?{asked}" if asked else ""),
        "host": ["{{base}}"],
        "path": parts,
    }
    return (
        url | ({"query": query} if query else {}) | ({"variable": variables} if variables else {})
    )


def _write_value(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def _find_example(parameter: Constraints) -> Any:
    if "example" in parameter:
        return parameter["example"]
    return next(iter(parameter["schema"]["examples"]))


def _find_body(operation: Constraints) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    for example in content.get("examples", {}).values():
        return example["value"]
    return None


def _follow(document: Constraints, each: Constraints) -> Constraints:
    if "$ref" not in each:
        return each
    found: Constraints = document["components"]["parameters"][each["$ref"].rpartition("/")[2]]
    return found

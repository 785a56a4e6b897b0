"""The requests and answers of a call: parameters, bodies, content."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor

from chassis.messages.reader import Reader
from gateway.oauth import CLIENT_CREDENTIALS, EXPIRES_IN_SECONDS
from openapi.components import record, text
from openapi.examples import Step
from openapi.fields.rules import find_schema
from openapi.fields.schemas import Schemas
from openapi.fields.words import Constraints
from openapi.routes import JSON, Route

OK = 200
NO_CONTENT = 204
OPERATOR = re.compile(r"_(gt|gte|lt|lte|from|to)\Z")
FORM = "application/x-www-form-urlencoded"
FHIR: Constraints = {
    "type": "object",
    "description": "A VisionPrescription of FHIR R4, R4B or R5; see docs/reference/fhir.md.",
    "properties": {"resourceType": {"type": "string", "enum": ["VisionPrescription"]}},
    "required": ["resourceType"],
    "additionalProperties": True,
}


def build_request(
    route: Route, schemas: Schemas, steps: Sequence[Step] = ()
) -> tuple[list[Constraints], Constraints | None]:
    """Return the parameters of a call in its path and its query, and its body."""
    parameters = [_build_path_parameter(route, schemas, name) for name in route.path_fields]
    seen: set[str] = set()
    if route.has_query:
        for reader in route.readers:
            for each in _list_query_parameters(route, schemas, reader):
                if each["name"] not in seen:
                    seen.add(each["name"])
                    parameters.append(each)
    if not route.has_body:
        return parameters, None
    return parameters, _build_body(route, schemas, steps)


def build_answer(
    route: Route, schemas: Schemas, comments: Mapping[str, str], steps: Sequence[Step]
) -> Constraints:
    """Return the answer of a call that succeeds."""
    answered = [step for step in steps if step.status == route.status]
    content: Constraints = {}
    if route.status != NO_CONTENT:
        content["schema"] = _choose_answer(route, schemas)
    if answered:
        content["examples"] = {
            step.name: {"summary": step.summary, "value": step.answer} for step in answered
        }
    names = ["X-Request-Id", "RateLimit", "RateLimit-Policy"]
    if route.method == "POST":
        names.append("Idempotent-Replayed")
    if _has_etag(route, comments):
        names.append("ETag")
    if route.is_list:
        names.append("Link")
    if route.has_location:
        names.append("Location")
    answer: Constraints = {
        "description": _describe_answer(route, comments),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
    }
    return (
        answer if route.status == NO_CONTENT else {**answer, "content": {route.media_type: content}}
    )


def _has_etag(route: Route, comments: Mapping[str, str]) -> bool:
    """Return whether an answer has an ETag: of one thing, or of what If-Match may name."""
    versioned = {
        each.output_type.full_name
        for each in route.rpc.containing_service.methods
        if "VERSION_MISMATCH" in comments[each.full_name]
    }
    is_change = route.status == OK and route.rpc.output_type.full_name in versioned
    return route.may_read_one or is_change


def _describe_answer(route: Route, comments: Mapping[str, str]) -> str:
    if route.status == NO_CONTENT:
        return "Done; there is nothing to say."
    return comments[route.rpc.output_type.full_name].split(". ")[0].rstrip(".") + "."


def _build_path_parameter(route: Route, schemas: Schemas, name: str) -> Constraints:
    schema, comment = schemas.describe_path_field(route.rpc.input_type, name)
    return {"name": name, "in": "path", "required": True, "description": comment, "schema": schema}


def _list_query_parameters(
    route: Route, schemas: Schemas, reader: Reader[Any]
) -> list[Constraints]:
    rules = find_rules(route, reader)
    built = []
    alone = len(route.readers) == 1 and "read_with_query" not in route.steps
    for name, schema, is_required, comment in schemas.list_parameters(reader, rules):
        schema = _drop_null({k: v for k, v in schema.items() if k != "description"})
        parameter: Constraints = {
            "name": OPERATOR.sub(r"[\1]", name),
            "in": "query",
            "required": is_required and (alone or (route.method == "GET" and name == "user_key")),
            "description": comment,
            "schema": schema,
        }
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        field = reader.message.DESCRIPTOR.fields_by_name[name]
        if field.type == field.TYPE_STRING and not field.has_presence and not parameter["required"]:
            parameter["allowEmptyValue"] = True  # the same as none
            schema.pop("minItems", None)
        built.append(parameter)
    return built


def find_rules(route: Route, reader: Reader[Any]) -> Any:
    """Return the rules of the RPC that takes a reader's message."""
    rpcs = (
        each.name
        for each in route.rpc.containing_service.methods
        if each.input_type.full_name == reader.message.DESCRIPTOR.full_name
    )
    return find_schema(route.service, next(rpcs))


def _drop_null(schema: Constraints) -> Constraints:
    """Return a schema without null, which a query string cannot hold."""
    if isinstance(schema.get("type"), list):
        schema = schema | {"type": schema["type"][0]}
    if "enum" in schema:
        schema = schema | {"enum": [each for each in schema["enum"] if each is not None]}
    return schema


def _build_body(route: Route, schemas: Schemas, steps: Sequence[Step]) -> Constraints:
    reader = route.readers[0]
    rules = find_rules(route, reader)
    sent = [step for step in steps if step.body is not None and step.status == route.status]
    examples = {step.name: {"summary": step.summary, "value": step.body} for step in sent}
    if "document" in reader.shape:
        schema: Constraints = FHIR
    else:
        schema = schemas.add_input(reader, rules)
    content: Constraints = {JSON: {"schema": schema}}
    if route.name == "create_token":
        content = _describe_grants(schemas, schema, steps)
    if examples:
        content[JSON]["examples"] = examples
    named = schemas.named[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    is_required = bool(named.get("required")) and "read_with_query" not in route.steps
    return {"required": is_required, "content": content}


def _describe_grants(schemas: Schemas, schema: Constraints, steps: Sequence[Step]) -> Constraints:
    """Return the bodies of the token route: credentials alone, or as OAuth 2 has them."""
    grant = {"type": "string", "enum": [CLIENT_CREDENTIALS], "description": "The only grant here."}
    credentials = {
        name: {
            **{k: v for k, v in each.items() if k not in ("minLength", "pattern")},
            "type": ["string", "null"],
        }
        for name, each in schemas.named["CreateTokenRequest"]["properties"].items()
    }
    schemas.named["ClientCredentialsGrant"] = {
        "type": "object",
        "description": "The client credentials grant of OAuth 2 (RFC 6749 section 4.4). The "
        "credentials may be in HTTP Basic instead.",
        "properties": {
            "grant_type": grant,
            **credentials,
            "scope": {"type": ["string", "null"], "description": "Ignored."},
        },
        "required": ["grant_type"],
    }
    form: Constraints = {"schema": {"$ref": "#/components/schemas/ClientCredentialsGrant"}}
    forms = [step for step in steps if step.form is not None and step.status == 200]
    form["examples"] = {step.name: {"summary": step.summary, "value": step.form} for step in forms}
    return {JSON: {"schema": {"anyOf": [schema, form["schema"]]}}, FORM: form}


def _choose_answer(route: Route, schemas: Schemas) -> Constraints:
    if route.media_type != JSON:
        return FHIR if "json" in route.media_type else {"type": "string"}
    outputs = [schemas.add_output(each, descriptor) for each, descriptor in list_outputs(route)]
    if route.name == "create_token":
        schemas.named["OAuthToken"] = _describe_oauth_token()
        outputs.append({"$ref": "#/components/schemas/OAuthToken"})
    return outputs[0] if len(outputs) == 1 else {"anyOf": outputs}


def list_outputs(route: Route) -> list[tuple[Any, Descriptor]]:
    """Return each writer of a route with the message that it writes."""
    file = route.rpc.containing_service.file
    found = []
    for writer in route.writers:
        root = next(iter(writer.plans))
        found.append((writer, file.message_types_by_name[root.rpartition(".")[2]]))
    return found


def _describe_oauth_token() -> Constraints:
    return record(
        "A token, as RFC 6749 section 5.1 has it.",
        ["token", "access_token", "token_type"],
        token=text("The same as access_token.", "tok_2f1c"),
        access_token=text("Opaque, begins with tok_.", "tok_2f1c"),
        token_type=text("How to send it.", "Bearer", enum=["Bearer"]),
        expires_in={
            "type": "integer",
            "minimum": 0,
            "maximum": EXPIRES_IN_SECONDS,
            "x-unit": "s",
            "description": "Seconds of its life; absent from a repeated answer.",
            "examples": [EXPIRES_IN_SECONDS],
        },
    )

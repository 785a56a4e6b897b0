"""Holds events against the schemas that are served, closed to fields that they do not name."""

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from chassis.events.formats import FORM_TYPE, format_body

FOLDER = Path(__file__).parent.parent / "gateway" / "openapi" / "events"


def check_event(api: str, type_: str, content_type: str, body: str) -> None:
    """Fail unless the body is as the schema of its type says."""
    _, text = format_body(content_type, body, "json")
    read_validator(api, type_).validate(json.loads(text))


def read_form(body: bytes) -> list[tuple[str, str]]:
    """The fields of an event of subscriptions, which its schema allows."""
    form = parse_qsl(body.decode())
    check_event("subscriptions", dict(form)["event"], FORM_TYPE, body.decode())
    return form


@cache
def read_validator(api: str, type_: str) -> Validator:
    """The validator of an event type."""
    path = FOLDER / api / f"{type_.removeprefix(f'{api}/').replace('/', '_')}.json"
    schema = close(json.loads(path.read_text()))
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def close(schema: Any) -> Any:
    """A schema that refuses fields which it does not name."""
    if isinstance(schema, list):
        return [close(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: close(each) for name, each in schema.items()}
    is_open = schema.get("additionalProperties") is True
    if isinstance(schema.get("properties"), dict) and not is_open:
        closed["additionalProperties"] = False
    return closed

"""The formats of an event: as its service wrote it, or JSON where an endpoint asks for it."""

import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"
JSON_FORMAT = "json"  # the `format` of an endpoint
_ITEM = re.compile(r"(\w+)\[\]\[(\w+)\]")


def format_body(content_type: str, body: str, wanted: str | None) -> tuple[str, bytes]:
    """Return the content type and the bytes to send to an endpoint that wants this format."""
    if wanted == JSON_FORMAT and content_type == FORM_TYPE:
        return JSON_TYPE, msgspec.json.encode(parse_form(body))
    return content_type, body.encode()


def parse_form(body: str) -> dict[str, Any]:
    """Return the fields of a form as texts.

    `list[][name]` is a field of an item of a list; a name that comes again begins the next item.
    """
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        if found := _ITEM.fullmatch(name):
            items = fields.setdefault(found[1], [])
            if not items or found[2] in items[-1]:
                items.append({})
            items[-1][found[2]] = value
        else:
            fields[name] = value
    return fields

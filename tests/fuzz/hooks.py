"""What schemathesis loads: every second good body is one of the document's own examples.

A complaint about a query string is dropped if that fits the document as it was sent.
Random bodies that fit a schema seldom fit the rules as well; with these, a walk along the links has
an order, a subscription or a session to go on with.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import schemathesis
from jsonschema_rs import Draft202012Validator
from schemathesis import Case, GenerationMode, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

JSON = "application/json"
PHASES = (TestPhase.FUZZING, TestPhase.STATEFUL)
NUMBERS = count()


@schemathesis.hook
def before_call(_context: HookContext, case: "Case[Any]", _kwargs: dict[str, object]) -> None:
    """Replace a good body by an example, which is sent under no key and names no taken session."""
    meta, number = case.meta, next(NUMBERS)
    if number % 2 or meta is None or meta.phase.name not in PHASES:
        return
    if meta.generation.mode != GenerationMode.POSITIVE or case.media_type != JSON:
        return
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
    examples = list(content.get(JSON, {}).get("examples", {}).values())
    if examples:
        body = copy.deepcopy(examples[number // 2 % len(examples)]["value"])
        if case.operation.method == "post" and "session_key" in body:
            body["session_key"] = f"schema-{number}"
        case.body = body
        case.headers.pop("Idempotency-Key", None)


@schemathesis.hook
def filter_failure(
    _context: HookContext, failure: Failure, case: "Case[Any]", response: Response
) -> bool:
    """Drop a complaint about a query that fits as it was sent: there, false is a list of one text.

    schemathesis sees that by itself where one parameter alone has another type.
    """
    if not isinstance(failure, AcceptedNegativeData) or case.meta is None:
        return True
    negated = {place for place in case.meta.components if case.meta.is_negative_at(place)}
    return negated != {ParameterLocation.QUERY} or not fits_as_sent(
        case.operation.definition.raw["parameters"], str(response.request.url)
    )


def fits_as_sent(parameters: Sequence[Mapping[str, Any]], url: str) -> bool:
    """Whether a query string has known parameters alone, each once and with a value that fits."""
    known = {each["name"]: each for each in parameters if each.get("in") == "query"}
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    sent = dict(pairs)
    required = {name for name, each in known.items() if each["required"]}
    return (
        len(sent) == len(pairs)
        and required <= sent.keys() <= known.keys()
        and all(fits(known[name], text) for name, text in sent.items())
    )


def fits(parameter: Mapping[str, Any], text: str) -> bool:
    """Whether the text of a query fits a parameter's schema."""
    if not text and parameter.get("allowEmptyValue"):
        return True
    schema = parameter["schema"]
    checker = Draft202012Validator(schema, validate_formats=True)
    if schema.get("type") == "array":
        return checker.is_valid(text.split(","))
    is_number = schema.get("type") == "integer" and re.fullmatch("-?[0-9]+", text)
    return checker.is_valid(int(text) if is_number else text)
